# Settings of the services. Sourced, never run.

database_url() { echo "mysql+pymysql://root@localhost/$1?unix_socket=$RUN/mariadb.sock&charset=utf8mb3"; }

# Credentials of the service user $1.
credentials() {
  cat << C
auth_url = $RIG_KEYSTONE_URL
auth_type = password
username = $1
password = $RIG_PASSWORD
project_name = service
user_domain_id = default
project_domain_id = default
region_name = RegionOne
C
}

# What every service's file begins with; $1 is its database.
beginning() {
  cat << C
[oslo_messaging_notifications]
driver = noop
[oslo_concurrency]
lock_path = $RIG_DIR/tmp
[database]
connection = $(database_url "$1")
max_pool_size = 20
max_overflow = 40
max_retries = 3
retry_interval = 1
[DEFAULT]
transport_url = fake:/
use_stderr = true
use_journal = false
debug = $RIG_DEBUG
C
}

token_check() {
  cat << C
[keystone_authtoken]
www_authenticate_uri = $RIG_KEYSTONE_URL
service_token_roles = service
service_token_roles_required = true
interface = internal
# A service believes in a token so many seconds after Keystone has revoked it.
token_cache_time = $RIG_TOKEN_CACHE
$(credentials "$1")
C
}

# Private: no TCP, no accounts, no durability.
configure_database() {
  cat > "$ETC/my.cnf" << C
[mariadbd]
datadir = $DATA/mysql
socket = $RUN/mariadb.sock
pid-file = $RUN/mariadbd.pid-file
log-error = $LOG/mariadb.log
lc-messages-dir = $PKG/usr/share/mysql
character-sets-dir = $PKG/usr/share/mysql/charsets
user = $(id -un)
skip-networking
skip-grant-tables
skip-name-resolve
performance-schema = OFF
innodb-data-file-path = ibdata1:4M:autoextend
innodb-undo-tablespaces = 0
innodb-log-file-size = 8M
innodb-buffer-pool-size = 64M
innodb-flush-log-at-trx-commit = 0
innodb-doublewrite = 0
innodb-flush-method = nosync
aria-log-file-size = 8M
aria-pagecache-buffer-size = 1M
key-buffer-size = 1M
max-connections = 500
character-set-server = utf8mb3
C
}

# A cheap password hash, or every token would cost 0.2 s; keys of receipts, or bootstrap fails.
configure_keystone() {
  cat > "$ETC/keystone.conf" << C
$(beginning keystone)
[token]
provider = fernet
expiration = 86400
[fernet_tokens]
key_repository = $ETC/fernet
[fernet_receipts]
key_repository = $ETC/fernet
[credential]
key_repository = $ETC/credential
[identity]
password_hash_rounds = 4
[cache]
enabled = true
backend = dogpile.cache.memory
C
  local keys i
  for keys in fernet credential; do
    mkdir -p "$ETC/$keys"
    for i in 0 1; do
      "$PY" -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode(), end="")' > "$ETC/$keys/$i"
    done
    chmod -R go-rwx "$ETC/$keys"
  done
}

configure_neutron() {
  cp "$VENV/etc/neutron/api-paste.ini" "$ETC/api-paste.ini"
  # Tags, timestamps and revisions need no plugin.
  local plugins=ovn-router,qos,trunk,segments,port_forwarding
  with fwaas && plugins+=,firewall_v2
  cat > "$ETC/neutron.conf" << C
$(beginning neutron)
host = $RIG_HOST
state_path = $DATA/neutron
api_paste_config = $ETC/api-paste.ini
core_plugin = ml2
service_plugins = $plugins
auth_strategy = keystone
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
dns_domain = rig.example.
global_physnet_mtu = 1500
$(token_check neutron)
[quotas]
default_quota = -1
quota_network = -1
quota_subnet = -1
quota_subnetpool = -1
quota_port = -1
quota_router = -1
quota_floatingip = -1
quota_security_group = -1
quota_security_group_rule = -1
quota_trunk = -1
[ml2]
mechanism_drivers = ovn
type_drivers = local,flat,geneve
project_network_types = geneve
extension_drivers = port_security,qos,dns_domain_ports
[ml2_type_flat]
flat_networks = public
[ml2_type_geneve]
vni_ranges = 1:65000
max_header_size = 38
[ovn]
ovn_nb_connection = unix:$RUN/ovn/ovnnb_db.sock
ovn_sb_connection = unix:$RUN/ovn/ovnsb_db.sock
ovn_l3_scheduler = leastloaded
ovn_metadata_enabled = $RIG_METADATA
enable_distributed_floating_ip = true
[service_providers]
service_provider = FIREWALL_V2:ovn:neutron_fwaas.services.firewall.service_drivers.ovn.firewall_l3_driver.OVNFwaasDriver:default
C
}

configure_octavia() {
  mkdir -p "$ETC/octavia"
  cat > "$ETC/octavia/octavia.conf" << C
$(beginning octavia)
$(token_check octavia)
[api_settings]
auth_strategy = keystone
enabled_provider_drivers = ovn:OVN
default_provider_driver = ovn
healthcheck_enabled = true
[driver_agent]
status_socket_path = $RUN/octavia-status.sock
stats_socket_path = $RUN/octavia-stats.sock
get_socket_path = $RUN/octavia-get.sock
enabled_provider_agents = ovn
[service_auth]
$(credentials octavia)
[neutron]
$(credentials octavia)
[ovn]
ovn_nb_connection = unix:$RUN/ovn/ovnnb_db.sock
ovn_sb_connection = unix:$RUN/ovn/ovnsb_db.sock
[quotas]
default_load_balancer_quota = -1
default_listener_quota = -1
default_pool_quota = -1
default_member_quota = -1
default_health_monitor_quota = -1
C
}

# What people and programs need to use the rig.
write_credentials() {
  cat > "$RIG_DIR/openrc" << C
export OS_AUTH_URL=$RIG_KEYSTONE_URL OS_IDENTITY_API_VERSION=3 OS_REGION_NAME=RegionOne
export OS_USERNAME=admin OS_PASSWORD=$RIG_PASSWORD OS_PROJECT_NAME=admin
export OS_USER_DOMAIN_ID=default OS_PROJECT_DOMAIN_ID=default
export OS_CLIENT_CONFIG_FILE=$RIG_DIR/clouds.yaml
export KURYR_RIG_DIR=$RIG_DIR KURYR_RIG_CACHE=$RIG_CACHE KURYR_RIG_NAMESPACE=$RIG_NAMESPACE KURYR_RIG_HOST=$RIG_HOST
export PATH=$BIN:\$PATH
C
  {
    echo "clouds:"
    local user
    for user in admin kuryr demo; do
      cat << C
  rig-$user:
    region_name: RegionOne
    identity_api_version: 3
    auth:
      auth_url: $RIG_KEYSTONE_URL
      username: $user
      password: $RIG_PASSWORD
      project_name: $user
      user_domain_id: default
      project_domain_id: default
C
    done
  } > "$RIG_DIR/clouds.yaml"
}
