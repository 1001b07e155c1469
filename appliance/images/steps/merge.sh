#!/bin/sh
# merge.sh FOLDER DEB…   the files of packages, merged into FOLDER; no maintainer script runs here (the last layer's step runs them all).
set -eu
. "${0%/*}/common.sh"
mkdir -p "$1"
folder=$1
shift
# Base is a merged-/usr system: a package's /lib/x belongs to /usr/lib/x.
for name in bin sbin lib lib32 lib64 libx32; do mkdir -p "$folder/usr/$name" && ln -s "usr/$name" "$folder/$name"; done
for deb in "$@"; do
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$folder" -p --numeric-owner --keep-directory-symlink --wildcards \
    --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./usr/share/info/*' --exclude='./usr/share/bug/*' \
    --exclude='./usr/share/lintian/*' --exclude='./usr/share/doc/*/*[!t]' --exclude='./usr/share/doc/*/*[!h]t'
done
for name in bin sbin lib lib32 lib64 libx32; do
  rm "$folder/$name"
  rmdir --ignore-fail-on-non-empty "$folder/usr/$name"
done
[ "$#" -gt 0 ] || rmdir --ignore-fail-on-non-empty "$folder/usr"
