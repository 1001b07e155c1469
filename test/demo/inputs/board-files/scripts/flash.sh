#!/bin/sh
# Says what it would write where; a real bench has a probe behind it.
set -eu
board=${1:?name a board} image=${2:?name an image}
printf 'board=%s image=%s bytes=%s\n' "$board" "$image" "$(wc -c <"$image")"
