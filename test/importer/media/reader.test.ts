import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, read, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { lookAt } from '../../../importer/media/find-bundles.ts'
import { openOnMedium } from '../../../importer/media/reader-file.ts'
import type { MediaFile } from '../../../importer/unpack/index.ts'
import { KINDS, makeImage, partitioned, tool } from '../../support/media-images.ts'

t.setTimeout(120_000)

const MIB = 1024 * 1024
const NAME = 'Werkzeuge für Prüfstände – 工具 и инструменты 0007.v1-of-1.drydock'
const folder = mkdtempSync(join(tmpdir(), 'drydock-media-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

/** Bytes of a committed rule, not of chance. */
function content(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += 32) createHash('sha256').update(`media ${at}`).digest().copy(bytes, at)
  return bytes
}

const bytes = content(5 * MIB + 123)
const source = join(folder, 'source')
mkdirSync(join(source, 'second folder'), { recursive: true })
writeFileSync(join(source, NAME), bytes)
writeFileSync(join(source, 'notes.txt'), 'not a bundle')
writeFileSync(join(source, '.hidden.drydock'), 'hidden')
writeFileSync(join(source, 'empty.drydock'), '')
writeFileSync(join(source, 'second folder', 'b.drydock'), 'in a folder')

async function allOf(file: MediaFile, from: number): Promise<Buffer> {
  const payload = await file.payload(from)
  const parts: Buffer[] = []
  const buffer = Buffer.alloc(MIB)
  for (;;) {
    const { bytesRead } = await promisify(read)(payload.fd, buffer, 0, buffer.length, payload.offset)
    if (bytesRead === 0) break
    parts.push(Buffer.from(buffer.subarray(0, bytesRead)))
  }
  t.equal(await payload.fault(), undefined)
  return Buffer.concat(parts)
}

for (const kind of KINDS) {
  await t.test(`${kind}: bundles with long and foreign names are found and read from any byte, whole and partitioned`, async t => {
    const image = join(folder, 'image')
    makeImage(kind, source, image)
    if (kind === 'exFAT') tool('fsck.exfat', ['-n', image])
    const size = statSync(image).size
    const looked = await lookAt(image)
    t.match(looked.systems, [{ at: 'loop0', kind, label: 'BUNDLES', serial: /^[0-9A-Za-z-]+$/ }])
    t.equal(looked.systems.length, 1)
    const paths = looked.bundles.map(({ file }) => file.path).toSorted()
    t.same(paths, kind === 'exFAT' ? [NAME] : [NAME, 'second folder/b.drydock'], 'neither hidden nor empty nor other files')
    const found = looked.bundles.find(({ name }) => name === NAME)!
    t.equal(found.file.size, bytes.length)
    const file = await openOnMedium(found.file)
    try {
      const head = Buffer.alloc(100)
      t.equal(await file.head.read(head), 100)
      t.ok(head.equals(bytes.subarray(0, 100)))
      for (const from of [0, 1, 512, 3 * MIB + 7]) t.ok((await allOf(file, from)).equals(bytes.subarray(from)), `from byte ${from}`)
    } finally {
      await file.close()
    }
    if (kind === 'ISO 9660' || kind === 'UDF') return
    for (const table of ['dos', 'gpt'] as const) {
      const disk = join(folder, `disk-${table}`)
      partitioned(image, disk, table, size)
      const parts = await lookAt(disk)
      t.match(parts.systems, [{ at: table === 'dos' ? 'loop0,msdos1' : 'loop0,gpt1', kind }])
      t.equal(parts.bundles.find(({ name }) => name === NAME)?.source, found.source, 'the same bundle has the same source wherever it is')
    }
  })
}

await t.test('a medium that ends in the middle of a file is told as one that was pulled, with how far it came', async t => {
  const image = join(folder, 'pulled')
  makeImage('FAT', source, image)
  const found = (await lookAt(image)).bundles.find(({ name }) => name === NAME)!
  truncateSync(image, 3 * MIB)
  const file = await openOnMedium(found.file)
  const payload = await file.payload(1024)
  const buffer = Buffer.alloc(MIB)
  let have = 0
  for (let more = 1; more > 0; have += more) more = (await promisify(read)(payload.fd, buffer, 0, buffer.length, null)).bytesRead
  const fault = await payload.fault()
  t.match(fault, { code: 'DD-MEDIA-001', message: /^expected to read .*0007.* on the medium BUNDLES \(FAT, [0-9A-F-]+\) to its end, found the medium gone or failing after [\d.]+ MiB of 5\.0 MiB$/, hint: /^plug it in again: the import goes on by itself/, retryable: true })
  t.ok(have < bytes.length)
  await file.close()
})

await t.test('what is no medium, or one of a file system that is not read, is nothing but itself', async t => {
  writeFileSync(join(folder, 'noise'), content(MIB))
  t.same(await lookAt(join(folder, 'noise')), { systems: [], others: [], bundles: [], more: false, unread: [] })
  const squash = join(folder, 'squash')
  tool('sh', ['-ec', `tar -C ${source} -cf - . | tar2sqfs -q -f ${squash}`])
  t.same((await lookAt(squash)).others, ['squash4'])
})
