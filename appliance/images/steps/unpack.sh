#!/bin/sh
# unpack.sh IMAGE FOLDER   a finished layer back into a folder, for the last layer to stand on.
set -eu
. "${0%/*}/common.sh"
mkdir -p "$2"
rdsquashfs --quiet --chmod --chown --set-xattr --unpack-root "$2" --unpack-path / "$1"
chmod 755 "$2"
one_time "$2"
