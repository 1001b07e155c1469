#!/bin/sh
# boot.sh KERNEL.deb FOLDER MODULE …   vmlinuz and the content of the initrd from locked packages: kernel modules in the order in which they load, a
# static busybox, dmsetup with its libraries (as base's own loader finds them). base/ must be there.
set -eu
. "${0%/*}/common.sh"
deb=$1 folder=$2
shift 2
mkdir -p "$folder/initrd/modules" "$folder/initrd/bin" "$folder/kernel"
dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$folder/kernel" --wildcards './boot/vmlinuz-*' './lib/modules/*'
cp "$folder"/kernel/boot/vmlinuz-* "$folder/vmlinuz"
for version in "$folder"/kernel/lib/modules/*; do version=${version##*/}; done
/sbin/depmod -b "$folder/kernel" "$version"
for module in "$@"; do
  PATH=$PATH:/sbin modprobe --dirname "$folder/kernel" --set-version "$version" --config /dev/null --show-depends "$module" >"$folder/depends"
  sed -n 's/^insmod \([^ ]*\).*/\1/p' "$folder/depends"
done | awk '!seen[$0]++' >"$folder/modules"
while read -r file; do
  cp "$file" "$folder/initrd/modules/"
  echo "${file##*/}"
done <"$folder/modules" >"$folder/initrd/modules/order"

cp base/bin/busybox "$folder/initrd/bin/"
for applet in sh mkdir mount insmod usleep sleep poweroff switch_root; do ln -s busybox "$folder/initrd/bin/$applet"; done
# The loader under the name that the ABI gives it, which is the one that programs ask for.
for loader in lib64/ld-linux-x86-64.so.2 lib/ld-linux-aarch64.so.1; do [ ! -e "base/$loader" ] || break; done
for file in /sbin/dmsetup $(chroot base "/$loader" --list /sbin/dmsetup | sed -n 's,.*[[:space:]]\(/[^ ]*\) (0x.*,\1,p'); do
  mkdir -p "$folder/initrd/${file%/*}"
  cp -L "base/$file" "$folder/initrd/$file"
done
