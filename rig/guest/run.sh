#!/bin/bash
# run.sh [-m MEGABYTES] [-c CPUS] [-t SECONDS] [-n | -i TAP,MAC] -- COMMAND
# Runs a shell command as root under a stock Debian kernel (8021q, ipvlan, openvswitch … are there), over this machine's
# own files: what it writes stays in the guest's memory. Its output comes here; so does its exit status (124: out of
# time; 125: the guest never reported; 77: no guest can be run here, with the reason on stderr).
# Emulated, so that it runs where KVM does not: about 10 s for the whole call, user code 20 to 40 times slower.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
memory=1024 cpus=2 seconds=300 card=() address=
while getopts m:c:t:ni: option; do
  case $option in
    m) memory=$OPTARG ;; c) cpus=$OPTARG ;; t) seconds=$OPTARG ;;
    n) card=(-netdev user,id=home -device virtio-net-pci,netdev=home,romfile=) address=10.0.2.15/24 ;;
    i) card=(-netdev "tap,id=home,ifname=${OPTARG%,*},script=no,downscript=no"
             -device "virtio-net-pci,netdev=home,mac=${OPTARG#*,},romfile=") ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1)); [[ ${1:-} == -- ]] && shift
no_guest() { echo "no guest kernel: $*" >&2; exit 77; }

[[ $(uname -m) == x86_64 ]] || no_guest "only for x86_64, this is $(uname -m)"
folder=${KURYR_RIG_CACHE:-${HOME:-/root}/.cache/kuryr-rig}/guest
"$here/unpack.sh" "$folder" qemu-system-x86 busybox-static cpio kmod linux-image-amd64 \
  || no_guest "the packages of the guest could not be unpacked into $folder"
libraries=$folder/usr/lib/x86_64-linux-gnu:$folder/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$libraries
[[ -e $folder/initrd.gz ]] || "$here/initrd.sh" "$folder" || no_guest "its first file system could not be made"

share=$(mktemp -d); trap 'rm -rf "$share"' EXIT
printf '%s\n' "$*" > "$share/command"
cat > "$share/init" <<INIT
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts; mount -t tmpfs tmpfs /dev/shm; mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir -p /run/netns /run/lock /run/sbin; ln -s $folder/bin/kmod /run/sbin/modprobe; echo /run/sbin/modprobe > /proc/sys/kernel/modprobe
export PATH=/run/sbin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root KURYR_GUEST=1
export KURYR_RIG_CACHE=$(dirname "$folder")
ip link set lo up; hostname guest; cd /
if [[ -n "${card[*]:-}" ]]; then
  modprobe virtio_net; card=\$(ls /sys/class/net | grep -vx lo | head -1)
  ip link set "\$card" up
  if [[ -n "$address" ]]; then ip address add "$address" dev "\$card"; fi
fi
bash /guest/command > /dev/ttyS1 2>&1 < /dev/null; echo \$? > /guest/status; sync
echo o > /proc/sysrq-trigger; sleep 30
INIT
emulated=0
timeout --foreground "$seconds" "$folder/usr/bin/qemu-system-x86_64" -L "$folder/usr/share/qemu" -L "$folder/usr/share/seabios" \
  -accel tcg,thread=multi -cpu max,la57=off -smp "$cpus" -m "$memory" -display none -nodefaults -no-reboot \
  -serial "file:$share/console" -serial stdio \
  -fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap -device virtio-9p-pci,fsdev=root,mount_tag=hostroot \
  -fsdev "local,id=share,path=$share,security_model=none" -device virtio-9p-pci,fsdev=share,mount_tag=share \
  "${card[@]}" -device virtio-rng-pci -kernel "$(echo "$folder"/boot/vmlinuz-*)" -initrd "$folder/initrd.gz" \
  -append "console=ttyS0 panic=-1 quiet mitigations=off nokaslr random.trust_cpu=1 tsc=reliable 8250.nr_uarts=2" \
  < /dev/null || emulated=$?
if [[ -f $share/status ]]; then exit "$(< "$share/status")"; fi
tail -20 "$share/console" >&2 || true
if [[ $emulated == 124 ]]; then exit 124; fi
exit 125
