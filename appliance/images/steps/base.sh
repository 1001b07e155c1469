#!/bin/sh
# base.sh SUITE PACKAGE,…   in the work folder: repo-base/ → base/ . Runs as root of a user namespace without a network.
set -eu
. "${0%/*}/common.sh"
mount_workshop
mkdir -p base /mnt/root
mount -c --bind repo-base /mnt/repo
mount -c --bind base /mnt/root
mmdebstrap --quiet --mode=root --variant=apt --format=directory \
  --aptopt='APT::Install-Recommends "false"' --aptopt='APT::Sandbox::User "root"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/bug/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --hook-dir=/usr/share/mmdebstrap/hooks/file-mirror-automount \
  --include="$2" "$1" /mnt/root 'deb [trusted=yes] file:///mnt/repo ./'
normalise /mnt/root
rmdir /mnt/root/mnt/repo
python_folders /mnt/root >/mnt/tmp/folders
compile_python /mnt/root </mnt/tmp/folders
one_time /mnt/root
