#!/bin/sh
# last.sh FOLDER LOWER:… [PACKAGE=VERSION …]   a real apt-get install over the layers below (top first), so that the package database, alternatives,
# caches and what maintainer scripts make are real; FOLDER keeps what differs from below. repo-roles/ holds the roles' packages.
set -eu
. "${0%/*}/common.sh"
folder=$1 lower=$2
shift 2
mkdir -p "$folder" "overlay-work/$folder"
mount_workshop
mkdir /mnt/root
mount -t overlay -o "lowerdir=$lower,upperdir=$folder,workdir=overlay-work/$folder,userxattr" overlay /mnt/root
mount -t proc proc /mnt/root/proc
mount -t tmpfs tmpfs /mnt/root/tmp
mount -t tmpfs tmpfs /mnt/root/run
mount -t tmpfs tmpfs /mnt/root/mnt
mount -t tmpfs -o mode=0755 tmpfs /mnt/root/dev
for device in null zero full random urandom tty; do : >/mnt/root/dev/$device && mount --bind /dev/$device /mnt/root/dev/$device; done
ln -s /proc/self/fd /mnt/root/dev/fd
mkdir /mnt/root/mnt/repo /mnt/root/mnt/home /mnt/root/mnt/tmp
mount -c --bind repo-roles /mnt/root/mnt/repo

# Python that maintainer scripts run leaves no byte code; what it needs is in the layers.
export PYTHONDONTWRITEBYTECODE=1
inside() { chroot /mnt/root "$@"; }
if [ "$#" -gt 0 ]; then
  # The files are there already, from the layers; dpkg registers them, unpacks what is below /etc (conffiles) and runs the scripts. Byte code too
  # is in the layers, so what would compile it does nothing meanwhile: the lower file shows again when the upper one is gone.
  quiet='usr/sbin/policy-rc.d usr/bin/py3compile usr/lib/python3.11/py_compile.py'
  for file in $quiet; do
    [ "$file" = usr/sbin/policy-rc.d ] || [ -e "/mnt/root/$file" ] || continue
    case $file in *.py) echo pass ;; *policy-rc.d) printf '#!/bin/sh\nexit 101\n' ;; *) printf '#!/bin/sh\n' ;; esac >/mnt/tmp/quiet
    cp /mnt/tmp/quiet "/mnt/root/$file"
    chmod 755 "/mnt/root/$file"
  done
  printf 'path-exclude=/*\npath-include=/etc/*\n' >/mnt/root/etc/dpkg/dpkg.cfg.d/zz-layers
  echo 'deb [trusted=yes] file:///mnt/repo ./' >/mnt/root/etc/apt/sources.list
  inside apt-get -qq -o APT::Sandbox::User=root update
  inside apt-get -qq -y -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Use-Pty=0 -o APT::Sandbox::User=root -o APT::Install-Recommends=false \
    -o APT::Get::AllowUnauthenticated=true install "$@" </dev/null >&2
  rm -f /mnt/root/etc/dpkg/dpkg.cfg.d/zz-layers
fi
inside ldconfig
inside getent passwd ci >/dev/null || inside useradd --uid 1000 --user-group --create-home --shell /bin/sh --comment 'CI jobs' ci

# The agent and its settings. `settings/` was written by the bake: what depends on the lock.
mkdir /mnt/seed
cp -R agent/. settings/. /mnt/seed/
chmod -R u=rwX,go=rX /mnt/seed
cp -R --preserve=mode /mnt/seed/. /mnt/root/
for generator in /mnt/root/usr/lib/systemd/system-generators/*; do
  mkdir -p /mnt/root/etc/systemd/system-generators
  ln -sf /dev/null "/mnt/root/etc/systemd/system-generators/${generator##*/}"
done
while read -r unit; do ln -sf /dev/null "/mnt/root/etc/systemd/system/$unit"; done <masked-units
ln -sf ci.target /mnt/root/etc/systemd/system/default.target

for mounted in mnt/repo mnt tmp run proc; do umount "/mnt/root/$mounted"; done
umount -R /mnt/root/dev
umount /mnt/root
normalise "$folder"
find "$folder" -xdev -name __pycache__ -prune -exec rm -rf {} +
if [ "${quiet:-}" ]; then
  for file in $quiet; do rm -f "$folder/$file"; done
fi
