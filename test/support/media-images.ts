import { spawnSync } from 'node:child_process'
import { linkSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DevicePlaces } from '../../importer/media/devices.ts'
import { copyIntoExfat } from './exfat.ts'

/** File systems of media, each made by its own tools, without mounting anything. */
export const KINDS = ['FAT', 'exFAT', 'ext4', 'ISO 9660', 'UDF'] as const
export type Kind = (typeof KINDS)[number]

/** Runs a tool that must succeed. */
export function tool(program: string, args: readonly string[], input?: string): string {
  const run = spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C.UTF-8', MTOOLS_SKIP_CHECK: '1' }, ...(input === undefined ? {} : { input }) })
  if (run.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${run.error?.message ?? `exit ${run.status}`}\n${run.stdout}${run.stderr}`)
  return run.stdout
}

/** An image of a folder's files. Folders below it are kept but for exFAT. `bytes` is the size of what can be written to; discs take what they need. */
export function makeImage(kind: Kind, folder: string, image: string, { label = 'BUNDLES', bytes = 64 * 1024 * 1024 } = {}): void {
  rmSync(image, { force: true })
  if (kind === 'ISO 9660') return void tool('xorriso', ['-as', 'mkisofs', '-quiet', '-J', '-joliet-long', '-R', '-V', label, '-o', image, folder])
  if (kind === 'UDF') return void tool('genisoimage', ['-quiet', '-udf', '-J', '-joliet-long', '-R', '-V', label, '-o', image, folder])
  writeFileSync(image, '')
  truncateSync(image, bytes)
  if (kind === 'ext4') tool('mke2fs', ['-q', '-t', 'ext4', '-L', label, '-d', folder, image])
  if (kind === 'FAT') {
    tool('mkfs.vfat', ['-F', '32', '-n', label, image])
    for (const name of readdirSync(folder)) tool('mcopy', ['-s', '-i', image, join(folder, name), '::/'])
  }
  if (kind === 'exFAT') {
    tool('mkfs.exfat', ['-L', label, image])
    copyIntoExfat(image, Object.fromEntries(readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isFile()).map(({ name }) => [name, join(folder, name)])))
  }
}

/** The same file system as the only partition of a stick with an MBR or a GPT. */
export function partitioned(image: string, out: string, table: 'dos' | 'gpt', bytes: number): void {
  rmSync(out, { force: true })
  writeFileSync(out, '')
  truncateSync(out, bytes + 4 * 1024 * 1024)
  tool('sfdisk', ['--quiet', '--no-reread', '--no-tell-kernel', out], `label: ${table}\nstart=2048, size=${bytes / 512}\n`)
  tool('dd', [`if=${image}`, `of=${out}`, 'bs=1M', 'seek=1', 'conv=notrunc', 'status=none'])
}

/** A machine's devices as files: what stands in sysBlock is what the kernel would tell, what stands in dev are images. */
export class FakeDevices {
  readonly places: DevicePlaces
  #changes = 0

  constructor(folder: string) {
    this.places = { sysBlock: join(folder, 'sys'), dev: join(folder, 'dev'), mountinfo: join(folder, 'mountinfo') }
    mkdirSync(this.places.sysBlock)
    mkdirSync(this.places.dev)
    writeFileSync(this.places.mountinfo, '')
  }

  path(name: string): string {
    return join(this.places.dev, name)
  }

  /** The device is a second name of the image, so that what happens to the image happens to the device. */
  plugIn(name: string, image: string, { removable = true, sectors = 131_072 } = {}): void {
    rmSync(this.path(name), { force: true })
    linkSync(image, this.path(name))
    const folder = join(this.places.sysBlock, name)
    mkdirSync(folder)
    for (const [fact, value] of Object.entries({ removable: removable ? 1 : 0, diskseq: ++this.#changes, dev: '8:16' })) writeFileSync(join(folder, fact), `${value}\n`)
    // Last: a device without a size has no medium.
    writeFileSync(join(folder, 'size'), `${sectors}\n`)
  }

  unplug(name: string): void {
    rmSync(join(this.places.sysBlock, name), { recursive: true })
    rmSync(this.path(name), { force: true })
  }
}
