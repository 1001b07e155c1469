#!/bin/bash
# Opens what scanners cannot open by themselves, from /scan/files to /opened, inside the sandbox. Its one argument is how many bytes all of
# it together may take. Standard input: `deb NAME` or `zstd NAME`, one a line; each gets a line `NAME opened|failed|too-big OUTPUT` back.
left=$1

take() {
  local name=$1 out=$2 size
  shift 2
  "$@" 2>/dev/null </dev/null | head -c "$((left + 1))" >"/opened/$out"
  local states=("${PIPESTATUS[@]}")
  size=$(stat -c %s "/opened/$out")
  if ((size > left)); then
    rm -f "/opened/$out"
    echo "$name too-big $out"
    return
  fi
  left=$((left - size))
  if ((states[0] == 0 && states[1] == 0)); then echo "$name opened $out"; else echo "$name failed $out"; fi
}

while read -r how name; do
  case $how in
    deb)
      take "$name" "$name.data.tar" dpkg-deb --fsys-tarfile "/scan/files/$name"
      take "$name" "$name.control.tar" dpkg-deb --ctrl-tarfile "/scan/files/$name"
      ;;
    zstd) take "$name" "$name.unpacked" zstd -dcq "/scan/files/$name" ;;
  esac
done
