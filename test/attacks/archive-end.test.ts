import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { END_OF_ARCHIVE } from '../../bundles/archive/index.ts'
import { openPlainFile } from '../../importer/unpack/index.ts'
import { joined, refused, stillImports, unread, world } from './hostile.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

await t.test('an archive ends once, where it ends', async t => {
  const here = await world(t)
  const { entries } = await here.good({ files: { a: 'first', b: 'second!' } })
  const whole = joined(entries)
  await refused(t, here, Buffer.concat([whole, Buffer.from('x')]), 'DD-BUNDLE-006', 'one byte after the end')
  await refused(t, here, Buffer.concat([whole, Buffer.alloc(512)]), 'DD-BUNDLE-006', 'a third zero block')
  await refused(t, here, Buffer.concat([whole, Buffer.alloc(10240 - (whole.length % 10240))]), 'DD-BUNDLE-006', 'padding to a record of 10 KiB')
  await refused(t, here, Buffer.concat([whole, whole]), 'DD-BUNDLE-006', 'two archives in one file')
  await refused(t, here, joined(entries.slice(0, 4), Buffer.concat([END_OF_ARCHIVE, joined(entries.slice(4))])), 'DD-BUNDLE-006', 'an end in the middle')
  await refused(t, here, Buffer.alloc(0), 'DD-BUNDLE-005', 'an empty file')
  for (let length = 512; length < whole.length; length += 512) {
    const atEnd = length === whole.length - 512
    await (atEnd || length % 2048 === 512 ? refused : unread)(t, here, whole.subarray(0, length), 'DD-BUNDLE-005', `cut after ${length} bytes${atEnd ? ', between the end blocks' : ''}`)
  }
  for (const length of [1, 511, 513, whole.length - 1]) await unread(t, here, whole.subarray(0, length), 'DD-BUNDLE-005', `cut after ${length} bytes`)
  await stillImports(t, here)
})

await t.test('where the length of the file is known, what is cut or added is told before the preflight, and nothing is asked for', async t => {
  const here = await world(t, { openMedia: openPlainFile })
  const { entries } = await here.good({ files: { a: 'first', b: 'second!' } })
  const whole = joined(entries)
  const bring = async (name: string, volume: Buffer) => {
    const path = join(here.folder, `${name}.drydock`)
    writeFileSync(path, volume)
    return await here.site.submit(path)
  }
  for (const cut of [1, 512, 1024, whole.length / 4]) {
    const { operation, record } = await bring(`cut-${cut}`, whole.subarray(0, whole.length - cut))
    t.match(operation, { state: 'failed' })
    t.match(record, { state: 'failed', preflight: null, error: { code: 'DD-BUNDLE-005', message: `expected demo-0001.v1-of-1.drydock to be ${whole.length} bytes, found it truncated to ${whole.length - cut}` } })
  }
  for (const more of [1, 512, whole.length]) {
    t.match((await bring(`more-${more}`, Buffer.concat([whole, Buffer.alloc(more)]))).record, { state: 'refused', preflight: null, error: { code: 'DD-BUNDLE-006', message: new RegExp(`to be ${whole.length} bytes, found ${whole.length + more}`) } })
  }
  await stillImports(t, here)
})
