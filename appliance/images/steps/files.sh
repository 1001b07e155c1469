#!/bin/sh
# files.sh FOLDER [SOURCE TARGET MODE] …   a role's own files.
set -eu
. "${0%/*}/common.sh"
folder=$1
shift
while [ "$#" -gt 0 ]; do
  mkdir -p "$folder/$(dirname "$2")"
  cp "$1" "$folder/$2"
  chmod "$3" "$folder/$2"
  shift 3
done
