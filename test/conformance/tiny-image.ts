import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf, hexOf } from '../../appliance/core/digest.ts'
import type { ImageOnDisk } from '../../appliance/model/hypervisor.ts'
import type { ImageManifest } from '../../appliance/model/image.ts'

export const TINY_GREETING = 'drydock test guest is up'

/**
 * A kernel of 5 KB that any loader of the Linux/x86 boot protocol takes: its real-mode part says hello on the serial port and
 * halts. With it a driver boots a real guest in a tenth of a second, with no image baked.
 */
export function tinyKernel(): Buffer {
  const file = Buffer.alloc(1024 + 4096)
  file[0x1f1] = 1 // setup_sects
  file.writeUInt32LE(256, 0x1f4) // syssize, in 16 bytes
  file.writeUInt16LE(0xaa55, 0x1fe)
  file.writeUInt16LE(0x66eb, 0x200) // jmp over the header
  file.write('HdrS', 0x202, 'latin1')
  file.writeUInt16LE(0x020c, 0x206) // protocol 2.12
  file[0x211] = 1 // loaded high
  file.writeUInt32LE(0x100000, 0x214)
  file.writeUInt32LE(0x7fffffff, 0x22c) // initrd_addr_max
  file.writeUInt32LE(2047, 0x238) // cmdline_size
  const program = [
    '0e 1f', // push cs; pop ds
    'be 00 00', // mov si, text
    'ba f8 03', // mov dx, 0x3f8
    'ac 84 c0', // next: lodsb; test al, al
    '74 03', // jz end
    'ee eb f8', // out dx, al; jmp next
    'fb f4 eb fc', // end: sti; hlt; jmp end
  ]
  const code = Buffer.from(program.join('').replaceAll(' ', ''), 'hex')
  const at = 0x268
  code.writeUInt16LE(at - 0x200 + code.length, 3)
  code.copy(file, at)
  file.write(`${TINY_GREETING}\r\n\0`, at + code.length, 'latin1')
  return file
}

/** An image folder with everything that a driver looks at. Another `name` is another image. */
export async function tinyImage(imagesDir: string, name: string): Promise<ImageOnDisk & { manifest: ImageManifest }> {
  const disk = Buffer.alloc(64 * 1024)
  disk.write(name)
  const kernel = tinyKernel()
  const initrd = Buffer.alloc(512)
  const digest = digestOf(disk)
  const folder = join(imagesDir, hexOf(digest))
  const pack = digestOf('pack')
  const deb = { name: 'linux-image-tiny', version: '1', architecture: 'amd64', digest: pack, size: 1 }
  const manifest: ImageManifest = {
    format: 'drydock-image/1',
    digest,
    size: disk.length,
    specDigest: digestOf(`lock of ${name}`),
    lock: {
      format: 'drydock-lock/1',
      baker: 1,
      os: 'linux',
      arch: 'amd64',
      base: { name: 'debian', version: '12', pack, sourceDateEpoch: 0, debs: [], kernel: deb, verify: [{ run: 'cat /etc/debian_version', expect: '12.0' }] },
      roles: [{ role: 'numpy', version: '1.26.0', pack, debs: [], wheels: [], files: [], env: { ROLE: name }, verify: [{ run: 'python3 -c "import numpy; print(numpy.__version__)"', expect: '1.26.0' }] }],
      agent: pack,
    },
    layers: ['base', name].map((layer, index) => ({ name: layer, digest: digestOf(layer), size: 4096, verityRoot: hexOf(digestOf(`root of ${layer}`)), dataBlocks: 1, offset: index * 4096 })),
    kernel: { file: 'vmlinuz', digest: digestOf(kernel) },
    initrd: { file: 'initrd', digest: digestOf(initrd) },
    commandLine: `console=ttyS0 image=${name}`,
    packages: [],
  }
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'disk.raw'), disk)
  await writeFile(join(folder, 'vmlinuz'), kernel)
  await writeFile(join(folder, 'initrd'), initrd)
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest))
  return { digest, folder, commandLine: manifest.commandLine, manifest }
}
