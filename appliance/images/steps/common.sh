# What the steps share. Every path that a program could write into a file is one of these, whatever the work folder is called.

export LC_ALL=C.UTF-8 TZ=UTC DEBIAN_FRONTEND=noninteractive PERL_HASH_SEED=0 PYTHONHASHSEED=0 HOME=/mnt/home TMPDIR=/mnt/tmp
umask 022

# /mnt becomes our workshop. Sources are bound by names relative to the work folder, which may itself lie below /mnt (hence mount -c).
mount_workshop() {
  mount -t tmpfs -o mode=0755 tmpfs /mnt
  mkdir /mnt/repo /mnt/home /mnt/tmp
}

# Everything that tells of when, where or by whom an image was made. The lists are from what differed between two builds.
normalise() {
  (
    cd "$1"
    rm -rf var/cache/ldconfig/aux-cache etc/.pwd.lock etc/passwd- etc/shadow- etc/group- etc/gshadow- etc/subuid- etc/subgid- \
      var/lib/dpkg/*-old var/lib/dpkg/lock* var/lib/dpkg/triggers/Lock var/cache/debconf/*-old var/lib/apt/daily_lock \
      var/lib/systemd/random-seed var/lib/systemd/catalog/database var/lib/apt/extended_states \
      etc/resolv.conf etc/hostname etc/apt/sources.list etc/apt/sources.list.d/* root/.bash_history \
      var/lib/apt/lists/* var/cache/apt/* run/* tmp/* dev/* boot/*
    [ ! -d var/log ] || find var/log -type f -delete
    [ ! -d var/lib/dbus ] || rm -f var/lib/dbus/machine-id
    [ ! -e etc/machine-id ] || : >etc/machine-id
    [ ! -e etc/shadow ] || sed -i -E "s/^([^:]*:[^:]*:)[0-9]+:/\1$((SOURCE_DATE_EPOCH / 86400)):/" etc/shadow
  )
}

# Folders below LAYER that hold Python modules, as paths from the root; old byte code is taken away.
python_folders() {
  find "$1" -xdev -name __pycache__ -prune -exec rm -rf {} +
  find "$1" -xdev -name '*.py' -printf '/%P\n' | sed 's,/[^/]*$,,' | sort -u | grep -E '^(/usr/lib/python3[^/]*|/usr/local/lib/python3[^/]*|/opt/roles)(/|$)' || true
}

# compile_python ROOT <FOLDERS: byte code by the Python of ROOT. Unchecked hashes, because all file times become one; a process of its own for
# each folder, because what else a process has compiled shows in the bytes (references to shared constants). -B: else the compiler's own imports leave
# byte code with file times, which it then takes for up to date.
compile_python() {
  python=
  for candidate in "$1"/usr/bin/python3.[0-9]*; do
    case ${candidate##*.} in *[!0-9]*) ;; *) [ ! -x "$candidate" ] || python=${candidate#"$1"} ;; esac
  done
  [ "$python" ] || return 0
  # 123: a module does not compile (test data of lib2to3 is Python 2); it stays as it is.
  xargs -r -P "$(nproc)" -n 1 chroot "$1" "$python" -I -S -B -m compileall -f -q -q -l --invalidation-mode unchecked-hash || [ $? = 123 ]
}

# Every file gets the one time already here, as it will have in the image: what is installed on top may look at times, and must see the same ones
# whether this folder was just made or unpacked from a kept layer.
one_time() {
  find "$1" -xdev -print0 | xargs -0 -r touch -h -d "@$SOURCE_DATE_EPOCH"
}
