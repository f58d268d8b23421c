#!/bin/bash
# initrd.sh FOLDER
# Makes FOLDER/initrd.gz for the kernel unpacked there: it mounts the host's / by 9p, read-only under a tmpfs overlay,
# and hands over to the script that run.sh puts into the shared folder.
set -euo pipefail
folder=$(readlink -f "$1")
version=$(basename "$(echo "$folder"/lib/modules/*)")
modules=$folder/lib/modules/$version
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
"$folder/bin/kmod" --version > /dev/null
ln -sf "$folder/bin/kmod" "$work/depmod"
"$work/depmod" -b "$folder" "$version"
root=$work/root
mkdir -p "$root"/{bin,modules,proc,sys,dev,host,over,new}
cp "$folder/bin/busybox" "$root/bin/"
for name in sh mount insmod mkdir switch_root ln echo; do ln -s busybox "$root/bin/$name"; done
# What a module needs stands after it in modules.dep, nearest first.
: > "$root/order"
for module in virtio_pci 9pnet_virtio 9p overlay virtio_rng; do
  line=$(grep -E "/$module\.ko[^:]*:" "$modules/modules.dep" || true)
  [[ -n $line ]] || continue
  for file in $(tr ' ' '\n' <<< "${line#*:}" | tac) "${line%%:*}"; do
    name=$(basename "$file"); name=${name%%.ko*}.ko
    [[ -e $root/modules/$name ]] && continue
    case $file in
      *.xz) xz -dc "$modules/$file" > "$root/modules/$name" ;;
      *.zst) zstd -qdc "$modules/$file" > "$root/modules/$name" ;;
      *) cp "$modules/$file" "$root/modules/$name" ;;
    esac
    echo "$name" >> "$root/order"
  done
done
cat > "$root/init" <<INIT
#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
while read module; do insmod /modules/\$module || echo "insmod \$module failed"; done < /order
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro hostroot /host || exec sh
mount -t tmpfs -o size=75% tmpfs /over; mkdir /over/upper /over/work
mount -t overlay -o lowerdir=/host,upperdir=/over/upper,workdir=/over/work overlay /new
mkdir -p /new/lib/modules /new/guest
[ -e /new/lib/modules/$version ] || ln -s $modules /new/lib/modules/$version
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=none share /new/guest
exec switch_root /new /bin/bash /guest/init
INIT
chmod +x "$root/init"
(cd "$root" && find . | "$folder/bin/cpio" -o -H newc --quiet | gzip -1) > "$folder/initrd.$$"
mv "$folder/initrd.$$" "$folder/initrd.gz"
