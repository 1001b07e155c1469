import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { tool } from './media-images.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Modules of Debian's kernel, with what they need by modules.dep. */
const MODULES = ['xhci-pci', 'usb-storage', 'sd_mod', 'vfat', 'nls_cp437', 'nls_ascii', 'nls_utf8', 'exfat', 'ext4', 'crc32c_generic', 'isofs', 'udf']
const FOLDERS = ['drivers/usb', 'drivers/scsi', 'fs/fat', 'fs/exfat', 'fs/ext4', 'fs/jbd2', 'fs/mbcache.ko', 'fs/isofs', 'fs/udf', 'fs/nls', 'lib', 'crypto', 'block', 'arch/x86/crypto', 'drivers/cdrom']
const PROGRAMS = ['/usr/bin/bwrap', '/usr/bin/prlimit', '/usr/bin/grub-fstest', '/usr/bin/ldd', '/bin/bash']
const CODE = ['package.json', 'appliance/core', 'importer/media', 'importer/unpack/seccomp.ts', 'importer/unpack/walls.ts', 'test/importer/media/usb-guest-program.ts']

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
if [ ! -e /moved ]; then
  # Not the kernel's first root, which nobody can pivot away from, as bubblewrap does.
  /bin/busybox mkdir /moving
  /bin/busybox mount -t tmpfs -o size=90% tmpfs /moving
  for name in bin lib lib64 usr code media dev proc sys tmp run init; do [ -e /$name ] && [ $name != proc ] && /bin/busybox cp -a /$name /moving/; done
  /bin/busybox mkdir -p /moving/proc
  : > /moving/moved
  exec /bin/busybox switch_root /moving /init
fi
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in ${MODULES.join(" ")}; do /bin/busybox modprobe $module; done
cd /code
export PATH=/usr/bin:/bin
/usr/bin/node --disable-warning=ExperimentalWarning test/importer/media/usb-guest-program.ts
echo "node ended: $?"
/bin/busybox poweroff -f
`

/** Debian's own kernel and a system of busybox, Node and the reader around it, as one initrd. */
export function buildGuest(folder: string): { kernel: string; initrd: string } {
  const tree = join(folder, 'tree')
  for (const path of ['bin', 'lib', 'lib64', 'usr/bin', 'code', 'media/stick', 'dev', 'proc', 'sys', 'tmp', 'run']) mkdirSync(join(tree, path), { recursive: true })
  const name = /linux-image-\S+/.exec(tool('apt-cache', ['depends', '--important', 'linux-image-amd64']).replace('linux-image-amd64', ''))![0]
  tool('sh', ['-ec', `cd ${folder} && apt-get -qq -o APT::Sandbox::User=root download ${name}`])
  const deb = readdirSync(folder).find(file => file.endsWith('.deb'))!
  const version = name.replace('linux-image-', '')
  tool('sh', ['-ec', `dpkg-deb --fsys-tarfile ${join(folder, deb)} | tar -x -C ${tree} ./boot/vmlinuz-${version} ./lib/modules/${version}/modules.builtin ./lib/modules/${version}/modules.order ${FOLDERS.map(one => `./lib/modules/${version}/kernel/${one}`).join(' ')}`])
  tool('depmod', ['-b', tree, version])
  copyFileSync('/bin/busybox', join(tree, 'bin/busybox'))
  symlinkSync('busybox', join(tree, 'bin/sh'))
  for (const applet of ['mkfifo', 'cat', 'id']) symlinkSync('/bin/busybox', join(tree, 'usr/bin', applet))
  copyFileSync(process.execPath, join(tree, 'usr/bin/node'))
  for (const program of PROGRAMS) copyFileSync(realpathSync(program), join(tree, program.replace(/^\/bin/, '/usr/bin')))
  symlinkSync('/usr/bin/bash', join(tree, 'bin/bash'))
  const libraries = new Set([process.execPath, ...PROGRAMS.filter(program => !program.endsWith('ldd'))].flatMap(program => tool('ldd', [program]).match(/\/\S+(?= \()/g) ?? []))
  for (const library of libraries) {
    mkdirSync(join(tree, dirname(library)), { recursive: true })
    copyFileSync(realpathSync(library), join(tree, library))
  }
  for (const path of CODE) cpSync(join(ROOT, path), join(tree, 'code', path), { recursive: true })
  writeFileSync(join(tree, 'init'), INIT, { mode: 0o755 })
  const kernel = join(folder, 'vmlinuz')
  copyFileSync(join(tree, 'boot', `vmlinuz-${version}`), kernel)
  const initrd = join(folder, 'initrd')
  tool('sh', ['-ec', `cd ${tree} && find . -path ./boot -prune -o -print0 | cpio --null --quiet -o -H newc > ${initrd}`])
  return { kernel, initrd }
}

export type Line = Record<string, unknown>

/** A guest with a USB port; sticks are images, named as blocks at the start. */
export class UsbGuest {
  readonly lines: Line[] = []
  readonly #child: ChildProcess
  readonly #socket: string
  #qmp: Socket | undefined
  #console = ''
  #answers: ((line: Line) => void)[] = []

  /** @param images block name → image; `slow` is how many bytes a second the one of that name gives */
  constructor(guest: { kernel: string; initrd: string }, folder: string, images: Record<string, string>, slow: Record<string, number> = {}) {
    this.#socket = join(folder, 'qmp')
    const blocks = Object.entries(images).flatMap(([name, file]) => [
      '-blockdev', JSON.stringify({ driver: 'raw', 'node-name': slow[name] === undefined ? name : `${name}-file`, 'read-only': true, file: { driver: 'file', filename: file } }),
      ...(slow[name] === undefined ? [] : [
        '-object', JSON.stringify({ 'qom-type': 'throttle-group', id: `${name}-limit`, limits: { 'bps-read': slow[name] } }),
        '-blockdev', JSON.stringify({ driver: 'throttle', 'node-name': name, 'read-only': true, 'throttle-group': `${name}-limit`, file: `${name}-file` }),
      ]),
    ])
    this.#child = spawn('qemu-system-x86_64', [
      '-accel', 'tcg,thread=multi', '-machine', 'q35', '-cpu', 'max', '-m', '1024', '-smp', '2', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio', '-qmp', `unix:${this.#socket},server=on,wait=off`,
      '-kernel', guest.kernel, '-initrd', guest.initrd, '-append', 'console=ttyS0 quiet loglevel=3 panic=-1 tsc=reliable no_timer_check random.trust_cpu=on mitigations=off usb-storage.delay_use=0', '-device', 'qemu-xhci,id=usb', ...blocks,
    ], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.stderr!.on('data', (chunk: Buffer) => (this.#console += chunk.toString()))
    createInterface({ input: this.#child.stdout! }).on('line', line => {
      if (line.startsWith('@{')) this.lines.push(JSON.parse(line.trim().slice(1)) as Line)
      else this.#console = (this.#console + line + '\n').slice(-8000)
    })
  }

  get console(): string {
    return this.#console
  }

  async plugIn(block: string): Promise<void> {
    await this.#command('device_add', { driver: 'usb-storage', id: `stick-${block}`, drive: block, bus: 'usb.0', removable: true })
  }

  async pull(block: string): Promise<void> {
    await this.#command('device_del', { id: `stick-${block}` })
  }

  /** The first line since `from` that is like this. */
  async until(what: string, matches: (line: Line) => boolean, from = 0): Promise<Line> {
    for (let tries = 0; tries < 1_800; tries++) {
      const found = this.lines.slice(from).find(matches)
      if (found !== undefined) return found
      if (this.#child.exitCode !== null) break
      await new Promise(done => setTimeout(done, 100))
    }
    throw new Error(`waited in vain until ${what}; lines: ${JSON.stringify(this.lines.slice(-5))}; console: ${this.#console}`)
  }

  async end(): Promise<void> {
    this.#qmp?.destroy()
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  async #command(execute: string, args: Line): Promise<void> {
    if (this.#qmp === undefined) {
      while (!existsSync(this.#socket)) await new Promise(done => setTimeout(done, 50))
      const qmp = createConnection(this.#socket)
      this.#qmp = qmp
      createInterface({ input: qmp }).on('line', line => {
        const message = JSON.parse(line) as Line
        if ('return' in message || 'error' in message) this.#answers.shift()?.(message)
      })
      await this.#ask('qmp_capabilities', {})
    }
    const answer = await this.#ask(execute, args)
    if ('error' in answer) throw new Error(`${execute}: ${JSON.stringify(answer['error'])}`)
  }

  async #ask(execute: string, args: Line): Promise<Line> {
    return await new Promise(done => {
      this.#answers.push(done)
      this.#qmp!.write(`${JSON.stringify({ execute, arguments: args })}\n`)
    })
  }
}
