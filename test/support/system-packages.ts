import { spawnSync } from 'node:child_process'

/** Debian packages that the product or its tests run, and what for. Only what is missing is installed. */
const PACKAGES = {
  bubblewrap: 'confines the process that unpacks',
  clamav: 'the virus scanner',
  'busybox-static': 'the small system of a guest with a stick',
  chromium: 'the browser test',
  cpio: 'reads an initrd back in a test',
  'cryptsetup-bin': 'veritysetup: hash trees of layers',
  curl: 'clients in tests',
  'docker-registry': 'the upstream that the demo collects an image from',
  dosfstools: 'the boot partition of an image',
  'dpkg-dev': 'dpkg-scanpackages',
  'apt-utils': 'apt-ftparchive',
  e2fsprogs: 'ext4 images of media',
  exfatprogs: 'exFAT images of media',
  faketime: 'bakes under another clock in a test',
  fdisk: 'sfdisk reads the image back in a test',
  gdisk: 'sgdisk reads the image back in a test',
  genisoimage: 'ISO 9660 and UDF images of media',
  gpgv: 'checks the archive of apt',
  gnupg: 'checks signatures by hand',
  'grub-common': 'grub-fstest reads media without mounting them',
  iproute2: 'network namespaces in tests',
  jq: 'reads documents by hand',
  kmod: 'depmod for the image',
  'libarchive-tools': 'bsdtar reads bundles in a test',
  'librsvg2-bin': 'rsvg-convert draws the QR code of a label in a test',
  lz4: 'unpacks Debian kernels',
  mmdebstrap: 'the base layer',
  mtools: 'the boot partition of an image',
  openssl: 'certificates in tests',
  'python3-pip': 'resolves and installs wheels',
  'python3-venv': 'pip clients in tests',
  'qemu-system-x86': 'virtual machines',
  'qemu-utils': 'disk formats',
  seabios: 'firmware of the virtual machines',
  skopeo: 'container images',
  socat: 'the two holes in a guest network',
  sqop: 'a second OpenPGP implementation in a test',
  'squashfs-tools-ng': 'tar2sqfs: layers',
  strace: 'catches attempts to reach out',
  uidmap: 'user namespaces of the appliance user',
  xfsprogs: 'XFS disks whose power is cut in a test',
  xorriso: 'config drives',
  'zbar-tools': 'zbarimg reads the QR code of a label in a test',
  zstd: 'reads a bundle by hand',
} as const

/**
 * Makes sure that the packages are there. As root they are installed; otherwise the one line to run is printed and the process ends.
 */
export function ensureSystemPackages(say: (line: string) => void): void {
  const missing = Object.keys(PACKAGES).filter(name => !isInstalled(name))
  if (missing.length === 0) return
  const install = `apt-get update && apt-get install -y --no-install-recommends ${missing.join(' ')}`
  if (process.getuid?.() !== 0) {
    process.stderr.write(`expected these Debian packages, found them missing: ${missing.join(' ')}\ndo: as root, run  ${install}\n`)
    process.exit(1)
  }
  say(`installing ${missing.length} Debian packages: ${missing.join(' ')}`)
  const done = spawnSync('sh', ['-ec', install], { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
  if (done.status !== 0) {
    process.stderr.write(`expected apt-get to install the packages, found exit ${done.status}\ndo: run it by hand and read what it says:  ${install}\n`)
    process.exit(1)
  }
}

function isInstalled(name: string): boolean {
  const found = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}', name], { encoding: 'utf8' })
  return found.status === 0 && found.stdout === 'installed'
}
