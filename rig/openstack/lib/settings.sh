# What every part of the rig knows: names, folders, addresses. Sourced, never run.
#
# Environment, all optional:
#   KURYR_RIG            name of this rig; several with different names run side by side   [openstack]
#   KURYR_RIG_DIR        its state: settings, logs, sockets, databases                     [/run/kuryr-rig/NAME]
#   KURYR_RIG_CACHE      packages, Python environment, migrated databases                  [$XDG_CACHE_HOME/kuryr-rig]
#   KURYR_RIG_NAMESPACE  the network namespace that holds all of it                        [kuryr-rig-NAME]
#   KURYR_RIG_HOST       name of the one compute host, for binding:host_id                 [the machine's]
#   KURYR_RIG_SERVICES   beside Keystone and Neutron: a list out of "octavia fwaas"        [octavia fwaas]
#   KURYR_RIG_WORKERS    processes of Neutron's API                                        [2]
#   KURYR_RIG_TOKEN_CACHE  seconds for which a service believes in a token it has seen (clouds: 300)    [5]
#   KURYR_RIG_METADATA   true: a DHCP and metadata port in every network                   [false]
#   KURYR_RIG_DEBUG      true: the services log every step                                 [false]
RIG_NAME=${KURYR_RIG:-openstack}
RIG_DIR=${KURYR_RIG_DIR:-/run/kuryr-rig/$RIG_NAME}
RIG_CACHE=${KURYR_RIG_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kuryr-rig}
RIG_NAMESPACE=${KURYR_RIG_NAMESPACE:-kuryr-rig-$RIG_NAME}
RIG_HOST=${KURYR_RIG_HOST:-$(hostname)}
RIG_SERVICES=${KURYR_RIG_SERVICES-octavia fwaas}
RIG_WORKERS=${KURYR_RIG_WORKERS:-2}
RIG_TOKEN_CACHE=${KURYR_RIG_TOKEN_CACHE:-5}
RIG_METADATA=${KURYR_RIG_METADATA:-false}
RIG_DEBUG=${KURYR_RIG_DEBUG:-false}
# Nothing outside the namespace can reach it, and the cached databases hold it.
RIG_PASSWORD=secret
RIG_KEYSTONE_URL=http://127.0.0.1:5000/v3
RIG_NEUTRON_URL=http://127.0.0.1:9696
RIG_OCTAVIA_URL=http://127.0.0.1:9876
RIG_PUBLIC_CIDR=172.24.4.0/24
RIG_PUBLIC_GATEWAY=172.24.4.1

PKG=$RIG_CACHE/pkg VENV=$RIG_CACHE/venv PY=$RIG_CACHE/venv/bin/python
LIBRARIES=$PKG/usr/lib/$(uname -m)-linux-gnu:$PKG/lib/$(uname -m)-linux-gnu
# The databases, where there is room for them in memory.
MEMORY=/dev/shm/kuryr-rig-$(echo "$RIG_DIR" | sha256sum | cut -c1-8)
ETC=$RIG_DIR/etc LOG=$RIG_DIR/log RUN=$RIG_DIR/run DATA=$RIG_DIR/data BIN=$RIG_DIR/bin

with() { [[ " $RIG_SERVICES " == *" $1 "* ]]; }
T0=${RIG_T0:-${EPOCHREALTIME/./}} # microseconds
say() {
  local us=$((${EPOCHREALTIME/./} - T0))
  printf '[%3d.%ds] %s\n' $((us / 1000000)) $((us / 100000 % 10)) "$*" >&2
}
die() {
  say "FAILED: $*"
  exit 1
}
