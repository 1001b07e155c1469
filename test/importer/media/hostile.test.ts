import { closeSync, copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, read, rmSync, symlinkSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { DrydockError } from '../../../appliance/core/error.ts'
import { lookAt, type Looked } from '../../../importer/media/find-bundles.ts'
import { openOnMedium } from '../../../importer/media/reader-file.ts'
import { Fat } from '../../support/fat.ts'
import { KINDS, makeImage, tool } from '../../support/media-images.ts'

t.setTimeout(240_000)

const folder = mkdtempSync(join(tmpdir(), 'drydock-hostile-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const image = join(folder, 'image')

/** A fresh folder to make an image of. */
function sourceOf(t: Test, files: Record<string, string | Buffer>): string {
  const source = mkdtempSync(join(folder, 'source-'))
  t.teardown(() => rmSync(source, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(source, name), content)
  return source
}

const names = (looked: Looked): string[] => looked.bundles.map(({ file }) => file.path).toSorted()

await t.test('ext4: links that lead outside, in circles or nowhere, pipes and devices are not bundles; what a link leads to inside is bytes', async t => {
  const source = sourceOf(t, { 'good.drydock': 'good' })
  for (const [name, target] of Object.entries({ 'absolute.drydock': '/etc/shadow', 'up.drydock': '../../../../../../etc/shadow', 'self.drydock': 'self.drydock', 'a.drydock': 'b.drydock', 'b.drydock': 'a.drydock', 'gone.drydock': 'gone' })) symlinkSync(target, join(source, name))
  symlinkSync('good.drydock', join(source, 'inside.drydock'))
  tool('mkfifo', [join(source, 'pipe.drydock')])
  if (process.getuid?.() === 0) tool('mknod', [join(source, 'zero.drydock'), 'c', '1', '5'])
  mkdirSync(join(source, 'folder.drydock'))
  makeImage('ext4', source, image)
  const looked = await lookAt(image)
  t.same(names(looked), ['good.drydock', 'inside.drydock'])
  for (const { file } of looked.bundles) {
    const opened = await openOnMedium(file)
    const head = Buffer.alloc(100)
    t.equal(head.toString('latin1', 0, await opened.head.read(head)), 'good')
    await opened.close()
  }
})

await t.test('names that break lines, hide, turn round or forge a listing are not looked at, and do not hide the good one', async t => {
  const source = sourceOf(t, {
    'good.drydock': 'good', [`${'x'.repeat(247)}.drydock`]: 'as long as a name can be', 'line\n300          20261121025804 forged.drydock': 'x', 'bell\u0007.drydock': 'x', 'tur\u202Enkcod.drydock': 'x', 'esc\u001b[2J.drydock': 'x', '-rf.drydock': 'an option',
    '(loop0).drydock': 'a device', "quote'`$(x).drydock": 'shell',
  })
  writeFileSync(Buffer.concat([Buffer.from(join(source, 'bad')), Buffer.from([0xff, 0xfe]), Buffer.from('.drydock')]), 'not utf-8')
  makeImage('ext4', source, image)
  t.same(names(await lookAt(image)), ['(loop0).drydock', '-rf.drydock', 'good.drydock', "quote'`$(x).drydock", `${'x'.repeat(247)}.drydock`])
})

await t.test('a label cannot forge a file system or a serial', async t => {
  makeImage('UDF', sourceOf(t, { 'good.drydock': 'good' }), image, { label: "X', UUID 1 - " })
  const { systems } = await lookAt(image)
  t.equal(systems.length, 1)
  t.match(systems[0], { kind: 'UDF', serial: /^[0-9a-f]{16}$/ })
})

await t.test('deep trees and many folders: one level and sixteen folders are looked at, and it is said', async t => {
  const source = sourceOf(t, {})
  mkdirSync(join(source, ...Array.from({ length: 200 }, () => 'd')), { recursive: true })
  writeFileSync(join(source, 'd', 'one.drydock'), 'one')
  writeFileSync(join(source, 'd', 'd', 'two.drydock'), 'two')
  makeImage('ext4', source, image)
  t.match(await lookAt(image), { more: false, bundles: [{ name: 'one.drydock' }] })
  for (let k = 0; k < 40; k++) mkdirSync(join(source, `folder-${k}`))
  makeImage('ext4', source, image)
  t.equal((await lookAt(image)).more, true)
})

await t.test('two thousand files in the root: the bundle between them is found, by its name as it was built', async t => {
  const source = sourceOf(t, { 'site-0007.v1-of-1.drydock': 'bundle', 'with a space.drydock': 'x' })
  for (let k = 0; k < 2_000; k++) writeFileSync(join(source, `photo ${k} of a long holiday.jpg`), '')
  writeFileSync(image, '')
  truncateSync(image, 64 * 1024 * 1024)
  tool('mke2fs', ['-q', '-t', 'ext4', '-N', '4000', '-d', source, image])
  const looked = await lookAt(image)
  t.same(names(looked), ['site-0007.v1-of-1.drydock'])
  t.equal(looked.bundles[0]?.file.size, 6)
})

await t.test('FAT: a folder whose clusters go in a circle ends at a limit, a file whose clusters do ends at its size', async t => {
  const source = sourceOf(t, { 'good.drydock': Buffer.alloc(40_000, 7) })
  mkdirSync(join(source, 'loop'))
  for (let k = 0; k < 60; k++) writeFileSync(join(source, 'loop', `a long name that needs more than one entry ${k}.drydock`), '')
  writeFileSync(image, '')
  truncateSync(image, 48 * 1024 * 1024)
  tool('mkfs.vfat', ['-F', '32', '-s', '1', image])
  tool('mcopy', ['-s', '-i', image, join(source, 'loop'), '::/'])
  tool('mcopy', ['-i', image, join(source, 'good.drydock'), '::/'])
  const fat = new Fat(image)
  const loop = fat.firstClusterOf('LOOP')
  const good = fat.firstClusterOf('GOOD')
  fat.link(good, good)
  fat.setSize('GOOD', 0xfffffffe)
  fat.close()
  const [found] = (await lookAt(image)).bundles
  t.equal(found?.file.size, 0xfffffffe, 'the size is what the medium claims')
  const file = await openOnMedium(found!.file)
  const payload = await file.payload(0)
  const buffer = Buffer.alloc(1024 * 1024)
  let have = 0
  while (have < 32 * buffer.length) have += (await promisify(read)(payload.fd, buffer, 0, buffer.length, null)).bytesRead
  await file.close()
  t.pass('who has enough of it stops it')
  const again = new Fat(image)
  again.link(loop, loop)
  again.close()
  await t.rejects(lookAt(image), { code: 'DD-MEDIA-004', message: /^expected a medium that can be read, found / })
})

await t.test('a sparse file of a terabyte is a name and a size, until somebody reads it', async t => {
  const source = sourceOf(t, { 'good.drydock': 'good', 'sparse.drydock': 'not only holes' })
  truncateSync(join(source, 'sparse.drydock'), 2 ** 40)
  makeImage('ext4', source, image, { bytes: 64 * 1024 * 1024 })
  const { bundles } = await lookAt(image)
  t.same(bundles.map(({ file }) => [file.path, file.size]), [['good.drydock', 4], ['sparse.drydock', 2 ** 40]])
})

await t.test('ISO 9660: what Joliet shows and Rock Ridge does not is one listing, and what is listed is what is read', async t => {
  const source = sourceOf(t, { 'both.drydock': 'both', 'rock.drydock': 'rock', 'joliet.drydock': 'joliet' })
  tool('xorriso', ['-as', 'mkisofs', '-quiet', '-J', '-R', '-hide', 'joliet.drydock', '-hide-joliet', 'rock.drydock', '-o', image, source])
  const looked = await lookAt(image)
  t.ok(names(looked).includes('both.drydock'))
  t.ok(looked.bundles.length === 2, names(looked).join(', '))
  for (const { file } of looked.bundles) {
    const opened = await openOnMedium(file)
    const head = Buffer.alloc(100)
    t.equal(`${head.toString('latin1', 0, await opened.head.read(head))}.drydock`, file.path)
    await opened.close()
  }
})

await t.test('a bundle that cannot be read does not hide the others, and is told', async t => {
  const source = sourceOf(t, { 'good.drydock': 'good', 'holes.drydock': '' })
  // mke2fs writes no extent for a file that is all holes, and GRUB will not read such a file.
  truncateSync(join(source, 'holes.drydock'), 2 ** 40)
  makeImage('ext4', source, image)
  t.match(await lookAt(image), { bundles: [{ name: 'good.drydock' }], unread: [{ code: 'DD-MEDIA-001', message: /holes\.drydock/ }] })
})

for (const kind of KINDS) {
  await t.test(`${kind}: damaged anywhere in its structures it is read, or refused with a code; never more than that`, async t => {
    const source = sourceOf(t, { 'good.drydock': Buffer.alloc(30_000, 5), 'other.drydock': 'other' })
    makeImage(kind, source, image)
    const damaged = join(folder, 'damaged')
    // Where the structures are: the beginning, and for discs the descriptors from sector 16 and 256 on.
    const spots = [0, 1024, 32 * 1024, 64 * 1024, 512 * 1024, 1024 * 1024]
    let seed = 20261121
    const next = (below: number): number => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % below
    let refused = 0
    for (let round = 0; round < 12; round++) {
      copyFileSync(image, damaged)
      const file = openSync(damaged, 'r+')
      for (let k = 0; k < 40; k++) writeSync(file, Buffer.from([next(256), next(256)]), 0, 2, spots[round % spots.length]! + next(4096))
      closeSync(file)
      try {
        const { bundles } = await lookAt(damaged)
        t.ok(bundles.length <= 256)
      } catch (failure) {
        refused += 1
        if (!(failure instanceof DrydockError) || !failure.code.startsWith('DD-MEDIA-')) t.fail(String(failure))
      }
    }
    t.comment(`${refused} of 12 refused, seed 20261121`)
  })
}

await t.test('cut anywhere, no image makes the reader do more than refuse', async t => {
  for (const kind of KINDS) {
    makeImage(kind, sourceOf(t, { 'good.drydock': Buffer.alloc(30_000, 5) }), image, { bytes: 48 * 1024 * 1024 })
    for (const size of [1, 511, 4096, 33 * 1024, 70 * 1024, 600 * 1024, 1024 * 1024]) {
      const cut = join(folder, 'cut')
      writeFileSync(cut, readFileSync(image).subarray(0, size))
      await lookAt(cut).then(({ bundles }) => t.ok(bundles.length <= 1), (failure: unknown) => t.match(failure, { code: /^DD-MEDIA-00[14]$/ }))
    }
  }
})
