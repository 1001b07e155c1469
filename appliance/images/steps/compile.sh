#!/bin/sh
# compile.sh FOLDER LOWER:…   byte code of FOLDER's Python modules, made by the locked Python of the layers below it (top first).
set -eu
. "${0%/*}/common.sh"
mkdir -p "overlay-work/$1"
mount_workshop
python_folders "$1" >/mnt/tmp/folders
if [ -s /mnt/tmp/folders ]; then
  mkdir /mnt/root
  mount -t overlay -o "lowerdir=$2,upperdir=$1,workdir=overlay-work/$1,userxattr" overlay /mnt/root
  mount -t tmpfs tmpfs /mnt/root/tmp
  compile_python /mnt/root </mnt/tmp/folders
  umount /mnt/root/tmp /mnt/root
fi
one_time "$1"
