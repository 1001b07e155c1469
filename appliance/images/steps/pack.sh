#!/bin/sh
# pack.sh FOLDER IMAGE   one squashfs from a sorted tar: names in byte order, numeric owners, one time for all, dm-verity's tree behind it.
# Prints root hash and data blocks.
set -eu
. "${0%/*}/common.sh"
tar -C "$1" -c --sort=name --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --format=posix --pax-option='exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime' \
  --xattrs --xattrs-include=security.capability --xattrs-include=user.overlay.opaque . |
  tar2sqfs --quiet --force --compressor zstd --comp-extra level=9 --num-jobs "$(nproc)" --defaults "mode=0755,mtime=$SOURCE_DATE_EPOCH" "$2"
size=$(stat -c %s "$2")
blocks=$(((size + 4095) / 4096))
truncate -s $((blocks * 4096)) "$2"
zero=0000000000000000000000000000000000000000000000000000000000000000
root=$(/sbin/veritysetup format "$2" "$2" --hash-offset=$((blocks * 4096)) --data-blocks=$blocks --salt=$zero --uuid=00000000-0000-0000-0000-000000000000 |
  sed -n 's/^Root hash:[[:space:]]*//p')
echo "$root $blocks"
