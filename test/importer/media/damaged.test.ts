import { closeSync, copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { asDrydockError } from '../../../appliance/core/error.ts'
import { checkVolume } from '../../../bundles/build/index.ts'
import { silentLog } from '../../../appliance/core/log.ts'
import { lookAt } from '../../../importer/media/find-bundles.ts'
import { openOnMedium } from '../../../importer/media/reader-file.ts'
import { watchRemovable } from '../../../importer/media/removable.ts'
import { noise } from '../../crash/bundles.ts'
import { bundleOf, person } from '../../support/bundles.ts'
import { Fat } from '../../support/fat.ts'
import { FakeDevices, KINDS, makeImage, tool, type Kind } from '../../support/media-images.ts'

t.setTimeout(240_000)

const folder = mkdtempSync(join(tmpdir(), 'drydock-damaged-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const [image, damaged] = [join(folder, 'image'), join(folder, 'damaged')]
const content = noise(300_000, 77)
const signers = [(await person('Ana')).signer]
const { file: bundle } = await bundleOf({ folder: join(folder, 'bundle'), signers, files: { content } })
const signed = readFileSync(bundle)
const source = join(folder, 'source')
mkdirSync(source)
copyFileSync(bundle, join(source, 'good.drydock'))

/** Far beyond the end of an image of 64 MiB, in blocks, sectors or clusters of any size. */
const NOWHERE = 0x00f0_0000
const SECTOR = 2048

function patch(path: string, at: number, bytes: Buffer): void {
  const file = openSync(path, 'r+')
  writeSync(file, bytes, 0, bytes.length, at)
  closeSync(file)
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** ISO 9660 says each number twice, the second time with the other end first. */
const both = (value: number): Buffer => Buffer.concat([u32(value), u32(value).reverse()])

/** Records of a folder of ISO 9660, plain, Rock Ridge and Joliet. */
function isoRecords(bytes: Buffer): number[] {
  const found: number[] = []
  for (const name of [Buffer.from('GOOD.DRY'), Buffer.from('good.drydock', 'utf16le').swap16()]) for (let at = bytes.indexOf(name); at !== -1; at = bytes.indexOf(name, at + 1)) if (bytes[at - 1] === name.length || bytes[at - 1] === name.length + 2) found.push(at - 33)
  return found
}

/** File entries (tag 261) of UDF for a file of this size: where the first of their extents says it lies. */
function udfExtents(bytes: Buffer, size: number): number[] {
  const found: number[] = []
  for (let at = 0; at + SECTOR <= bytes.length; at += SECTOR) if (bytes.readUInt16LE(at) === 261 && bytes.readBigUInt64LE(at + 56) === BigInt(size)) found.push(at + 176 + bytes.readUInt32LE(at + 168) + 4)
  return found
}

type Damage = 'the superblock is gone' | 'the root folder lies beyond the end' | 'the file lies beyond the end' | 'it ends in the middle of the bundle' | 'a bit of the bundle is another'

const inImage = (): Buffer => readFileSync(damaged)
const isoRoots = (): void => {
  for (let at = 16 * SECTOR; inImage().toString('latin1', at + 1, at + 6) === 'CD001'; at += SECTOR) if ([1, 2].includes(inImage()[at]!)) patch(damaged, at + 156 + 2, both(NOWHERE))
}
const isoFiles = (): void => isoRecords(inImage()).forEach(at => patch(damaged, at + 2, both(NOWHERE)))

/** How each kind of file system is hurt where it hurts. */
const HURT = {
  FAT: {
    'the superblock is gone': () => patch(damaged, 0, Buffer.alloc(8192)),
    'the root folder lies beyond the end': () => patch(damaged, 44, u32(NOWHERE)),
    'the file lies beyond the end': () => withFat(fat => fat.setFirstCluster('GOOD', NOWHERE)),
  },
  exFAT: {
    'the superblock is gone': () => patch(damaged, 0, Buffer.alloc(512 * 24)),
    'the root folder lies beyond the end': () => patch(damaged, 96, u32(NOWHERE)),
    'the file lies beyond the end': () => {
      const bytes = inImage()
      for (let at = 0; at + 64 <= bytes.length; at += 32) if (bytes[at] === 0x85 && bytes[at + 32] === 0xc0) patch(damaged, at + 32 + 20, u32(NOWHERE))
    },
  },
  ext4: {
    'the superblock is gone': () => patch(damaged, 1024, Buffer.alloc(1024)),
    'the root folder lies beyond the end': () => tool('debugfs', ['-w', '-R', `sif <2> block[5] ${NOWHERE}`, damaged]),
    'the file lies beyond the end': () => tool('debugfs', ['-w', '-R', `sif /good.drydock block[5] ${NOWHERE}`, damaged]),
  },
  'ISO 9660': {
    'the superblock is gone': () => patch(damaged, 16 * SECTOR, Buffer.alloc(8 * SECTOR)),
    'the root folder lies beyond the end': isoRoots,
    'the file lies beyond the end': isoFiles,
  },
  UDF: {
    'the superblock is gone': () => patch(damaged, 16 * SECTOR, Buffer.alloc(241 * SECTOR)),
    'the root folder lies beyond the end': () => {
      isoRoots()
      for (let at = 0, bytes = inImage(); at + SECTOR <= bytes.length; at += SECTOR) if (bytes.readUInt16LE(at) === 256 && bytes.readUInt32LE(at + 12) === (at / SECTOR - 257 >>> 0)) patch(damaged, at + 404, u32(NOWHERE))
    },
    'the file lies beyond the end': () => {
      isoFiles()
      for (const at of udfExtents(inImage(), signed.length)) patch(damaged, at, u32(NOWHERE))
    },
  },
} as const satisfies Record<Kind, Record<Exclude<Damage, 'it ends in the middle of the bundle' | 'a bit of the bundle is another'>, () => unknown>>

function withFat(hurt: (fat: Fat) => void): void {
  const fat = new Fat(damaged)
  hurt(fat)
  fat.close()
}

type Verdict = { read: 'all of it' | 'other bytes' | 'not at all'; code: string; message: string; hint: string }

/** What the appliance makes of the medium: the bytes that were signed, or why not. What the reader cannot see, the bundle's own digests do. */
async function verdict(): Promise<Verdict> {
  const refused = (read: Verdict['read'], failure: unknown): Verdict => {
    const { code, message, hint } = asDrydockError(failure)
    return { read, code, message, hint }
  }
  let bytes: Buffer
  try {
    const { bundles: [found] } = await lookAt(damaged)
    if (found === undefined) return { read: 'not at all', code: 'no bundle', ...(await pluggedIn()) }
    bytes = await contentOf(found.file)
  } catch (failure) {
    return refused('not at all', failure)
  }
  const copy = join(folder, 'copy.drydock')
  writeFileSync(copy, bytes)
  return await checkVolume(copy).then(() => ({ read: 'all of it', code: bytes.equals(signed) ? '' : 'ACCEPTED', message: '', hint: '' }), (failure: unknown) => refused('other bytes', failure))
}

/** What people are told of it when it is plugged in. */
async function pluggedIn(): Promise<{ message: string; hint: string }> {
  const places = mkdtempSync(join(folder, 'devices-'))
  const devices = new FakeDevices(places)
  devices.plugIn('sdb', damaged)
  const { promise, resolve } = Promise.withResolvers<{ message: string; hint: string }>()
  const removable = watchRemovable({ places: devices.places, log: silentLog, everyMs: 50, arrived: async () => undefined, told: (type, { why, hint }) => resolve({ message: `${type}: ${why}`, hint: String(hint) }) })
  try {
    return await promise
  } finally {
    await removable.stop()
  }
}

async function contentOf(file: Parameters<typeof openOnMedium>[0]): Promise<Buffer> {
  const opened = await openOnMedium(file)
  try {
    const parts: Buffer[] = []
    const buffer = Buffer.alloc(64 * 1024)
    for (let length = await opened.head.read(buffer); length > 0; length = await opened.head.read(buffer)) parts.push(Buffer.from(buffer.subarray(0, length)))
    return Buffer.concat(parts)
  } finally {
    await opened.close()
  }
}

/** What must be said. A file system whose root cannot be read is none to the reader. */
const NONE = { read: 'not at all', code: 'no bundle', message: /^media\.unreadable: expected FAT, exFAT, ext4, ISO 9660 or UDF, found no file system that is known$/, hint: /./ } as const
const TOLD = {
  'the superblock is gone': NONE,
  'the root folder lies beyond the end': NONE,
  'the file lies beyond the end': { read: 'not at all', code: 'DD-MEDIA-001', message: /^expected to read good\.drydock on the medium BUNDLES \(.+\) to its end, found the medium gone or failing after 0 B of/, hint: /./ },
  'it ends in the middle of the bundle': { read: 'not at all', code: 'DD-MEDIA-001', message: /failing after 12\d KiB of 298 KiB$/, hint: /./ },
  'a bit of the bundle is another': { read: 'other bytes', code: 'DD-BUNDLE-008', hint: /./ },
} as const satisfies Record<Damage, object>

/** As it was made; then the same with one thing broken. */
for (const kind of KINDS) {
  await t.test(`${kind}: what is broken is told; no other bytes ever pass for the bundle`, async t => {
    makeImage(kind, source, image)
    const whole = readFileSync(image)
    const middle = whole.indexOf(content.subarray(150_000, 150_064))
    copyFileSync(image, damaged)
    t.match(await verdict(), { read: 'all of it', code: '' }, 'whole, it is read')
    const hurts: Record<Damage, () => unknown> = {
      ...HURT[kind],
      'it ends in the middle of the bundle': () => truncateSync(damaged, middle),
      'a bit of the bundle is another': () => patch(damaged, middle, Buffer.from([whole[middle]! ^ 1])),
    }
    for (const [what, hurt] of Object.entries(hurts)) {
      copyFileSync(image, damaged)
      hurt()
      t.notOk(inImage().equals(whole), `${what}: it is damaged`)
      const found = await verdict()
      t.comment(`${what}: ${found.message} · ${found.hint}`)
      t.match(found, TOLD[what as Damage], what)
    }
  })
}
