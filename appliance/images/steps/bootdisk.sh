#!/bin/sh
# bootdisk.sh IMAGE VOLUME_ID FILE …   the boot partition: FAT, so that firmware can read it. mtools takes SOURCE_DATE_EPOCH for every time.
set -eu
. "${0%/*}/common.sh"
image=$1 id=$2
shift 2
bytes=$(cat "$@" | wc -c)
mkfs.vfat --invariant -F 16 -i "$id" -n DRYDOCK -C "$image" $(((bytes / 1024 / 1024 + 2) * 1024)) >/dev/null
for file in "$@"; do
  mcopy -i "$image" "$file" "::${file##*/}"
done
