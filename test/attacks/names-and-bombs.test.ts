import t from 'tap'
import { headerOf } from '../../bundles/archive/index.ts'
import { entry, joined, nameOf, pax, rawHeader, refused, stillImports, unread, world, type RawEntry } from './hostile.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

await t.test('names that are too long, that are twins on other systems, or that are a file and a folder, are no bundle', async t => {
  const here = await world(t)
  const { entries } = await here.good({ files: { a: 'first', b: 'second!' } })
  const head = entries.slice(0, 3)
  const [one, two] = entries.slice(3) as [RawEntry, RawEntry]
  const name = nameOf(one)
  const long = (length: number): string => `blobs/${'x'.repeat(length - 6)}`
  const prefixed = (length: number): RawEntry => ({ header: rawHeader({ name: 'x'.repeat(99), prefix: 'y'.repeat(length - 100), size: 5 }), body: one.body })

  for (const length of [255, 256, 4097]) {
    await unread(t, here, joined([...head, pax({ path: long(length) }), one, two]), 'DD-BUNDLE-003', `a PAX name of ${length} bytes`)
    await unread(t, here, joined([...head, { header: rawHeader({ name: '././@LongLink', type: 'L', size: length + 1 }), body: Buffer.from(`${long(length)}\0`) }, one, two]), 'DD-BUNDLE-003', `a GNU name of ${length} bytes`)
  }
  await refused(t, here, joined([...head, prefixed(255), two]), 'DD-BUNDLE-003', 'a ustar name of 255 bytes')
  await refused(t, here, joined([...head, one, one, two]), 'DD-BUNDLE-007', 'an entry twice')
  await refused(t, here, joined([...head, two, one]), 'DD-BUNDLE-007', 'the wrong order')
  await refused(t, here, joined([...head, one]), 'DD-BUNDLE-007', 'an entry missing')
  await refused(t, here, joined([...head, one, two, entry(`blobs/${'0'.repeat(64)}`, 'extra')]), 'DD-BUNDLE-007', 'an entry too many')
  await unread(t, here, joined([...head, one, entry(name.toUpperCase().replace('BLOBS', 'blobs'), one.body), two]), 'DD-BUNDLE-007', 'twins by case')
  for (const [why, twin] of [['é as one character', 'blobs/\u00e9'], ['é as two characters', 'blobs/e\u0301']] as const) {
    await unread(t, here, joined([...head, { header: rawHeader({ name: twin, size: 5 }), body: one.body }, one, two]), 'DD-BUNDLE-003', `twins by normal form: ${why}`)
  }
  await unread(t, here, joined([...head, one, entry(`${name}/x`, one.body), two]), 'DD-BUNDLE-007', 'a file and then a folder of its name')
  await unread(t, here, joined([...head, entry('blobs', ''), one, two]), 'DD-BUNDLE-007', 'a file named as the folder of what follows')
  await stillImports(t, here)
})

await t.test('extended attributes, sparse maps and what unfolds to far more than was signed are no bundle', async t => {
  const here = await world(t)
  const { entries } = await here.good({ files: { a: 'first', b: 'second!' } })
  const head = entries.slice(0, 3)
  const [one, two] = entries.slice(3) as [RawEntry, RawEntry]
  const name = nameOf(one)
  for (const records of [{ 'SCHILY.xattr.security.capability': 'x' }, { 'LIBARCHIVE.xattr.user.x': 'eA==' }, { 'SCHILY.acl.access': 'user::rwx' }, { 'GNU.sparse.major': '1', 'GNU.sparse.realsize': String(50 * 1024 ** 3) }, { mtime: '1' }, { hdrcharset: 'BINARY' }]) {
    await unread(t, here, joined([...head, pax(records as Record<string, string>), one, two]), 'DD-BUNDLE-003', Object.keys(records).join(' and '))
  }
  await refused(t, here, joined([...head, { header: rawHeader({ name, size: '620000000000' }), body: one.body }, two]), 'DD-BUNDLE-003', '50 GB in a spelling of size that is not canonical')
  await refused(t, here, joined([...head, { header: headerOf({ name, size: 4 * 1024 ** 3 }), body: one.body }, two]), 'DD-BUNDLE-007', '4 GiB where 5 bytes were signed')
  const empty = Array.from({ length: 100_000 }, () => entry(`blobs/${'0'.repeat(64)}`, ''))
  await refused(t, here, joined([...head, ...empty, one, two]), 'DD-BUNDLE-007', '100,000 empty entries')
  await refused(t, here, joined([...head, one, two, ...empty]), 'DD-BUNDLE-007', '100,000 empty entries after the last')
  await stillImports(t, here)
})
