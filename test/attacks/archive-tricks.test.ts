import t from 'tap'
import { headerOf } from '../../bundles/archive/index.ts'
import { checksummed, joined, nameOf, pax, rawHeader, refused, stillImports, unread, world, type RawEntry } from './hostile.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

await t.test('what two programs could read differently, or what could escape, is no bundle', async t => {
  const here = await world(t)
  const { entries } = await here.good({ files: { a: 'first', b: 'second!' } })
  const head = entries.slice(0, 3)
  const [one, two] = entries.slice(3) as [RawEntry, RawEntry]
  const name = nameOf(one)
  /** `first`, under a header of this kind. */
  const as = (fields: Parameters<typeof rawHeader>[0], body: Buffer = one.body): RawEntry => ({ header: rawHeader({ size: body.length, ...fields }), body })
  const beside = (...extra: RawEntry[]) => joined([...head, ...extra, one, two])
  const instead = (other: RawEntry) => joined([...head, other, two])
  const nothing = Buffer.alloc(0)

  const cases: [string, Buffer][] = [
    ['a symlink', beside(as({ name, type: '2', link: '/etc/passwd' }, nothing))],
    ['a symlink, then a file through it', beside(as({ name: 'blobs/out', type: '2', link: '/etc' }, nothing), as({ name: 'blobs/out/cron.d-x' }))],
    ['a chain of symlinks', beside(as({ name: 'blobs/one', type: '2', link: 'two' }, nothing), as({ name: 'blobs/two', type: '2', link: '../..' }, nothing), as({ name: 'blobs/one/x' }))],
    ['a hard link', beside(as({ name, type: '1', link: 'manifest.json' }, nothing))],
    ['a character device', beside(as({ name, type: '3', devmajor: '000001 ' }, nothing))],
    ['a block device', beside(as({ name, type: '4' }, nothing))],
    ['a FIFO', beside(as({ name, type: '6' }, nothing))],
    ['a folder', beside(as({ name: 'blobs/', type: '5' }, nothing))],
    ['a folder by its trailing slash', beside(as({ name: 'blobs/' }, nothing))],
    ['a contiguous file', instead(as({ name, type: '7' }))],
    ['an old-style file (type NUL)', instead(as({ name, type: '\0' }))],
    ['an unknown type', instead(as({ name, type: 'Z' }))],
    ['a sparse file', instead(as({ name, type: 'S' }))],
    ['setuid', instead(as({ name, mode: '004755 ' }))],
    ['world-writable', instead(as({ name, mode: '000666 ' }))],
    ['an owner', instead(as({ name, uid: '001750 ' }))],
    ['GNU magic', instead(as({ name, magic: 'ustar  \0' }))],
    ['no magic', instead(as({ name, magic: '\0\0\0\0\0\0\0\0' }))],
    ['a prefix field', instead(as({ name: name.slice(6), prefix: 'blobs' }))],
    ['a negative size', instead(as({ name, size: '-0000000005\0' }))],
    ['a base-256 size', instead(as({ name, size: '\x80\0\0\0\0\0\0\0\0\0\0\x05' }))],
    ['a size with spaces', instead(as({ name, size: '        5 \0\0' }))],
    ['a size beyond 2^53', instead(as({ name, size: '\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff' }))],
    ['a wrong checksum', instead({ header: Buffer.from(one.header.map((byte, i) => (i === 500 ? 1 : byte))), body: one.body })],
    ['bytes behind the name', instead({ header: checksummed(Buffer.from(one.header.map((byte, i) => (i === 99 ? 0x41 : byte)))), body: one.body })],
    ['PAX size smuggling', joined([...head, pax({ size: '1024' }), one, two])],
    ['a PAX path', joined([...head, pax({ path: '../../escaped' }), one, two])],
    ['a PAX record with NUL', joined([...head, pax({ path: 'a\0b' }), one, two])],
    ['a global PAX header', joined([pax({ mtime: '1' }, 'g'), ...entries])],
    ['a GNU long name', joined([...head, as({ name: '././@LongLink', type: 'L' }, Buffer.from(`${'x'.repeat(200)}\0`)), one, two])],
    ['a GNU long link', joined([...head, as({ name: '././@LongLink', type: 'K' }, Buffer.from('/etc/passwd\0')), one, two])],
    ['content in the padding', Buffer.concat([joined([...head, one], nothing).subarray(0, -1), Buffer.from('x'), joined([two])])],
    ['one zero block, then more', joined([...head, { header: Buffer.alloc(512), body: nothing }, one, two])],
    ['one zero block at the end, then a header', joined(entries, Buffer.concat([Buffer.alloc(512), headerOf({ name: 'x', size: 0 })]))],
  ]
  const whole = new Set(['a symlink', 'a symlink, then a file through it', 'a hard link', 'a character device', 'setuid', 'PAX size smuggling', 'a PAX path', 'a GNU long name', 'content in the padding'])
  for (const [why, volume] of cases) await (whole.has(why) ? refused : unread)(t, here, volume, 'DD-BUNDLE-003', why)

  const names: [string, string][] = [
    ['../ in a name', '../../etc/cron.d/x'], ['an absolute name', '/etc/cron.d/x'], ['a/../../x', 'blobs/../../x'], ['a dot segment', `blobs/./${name.slice(6)}`], ['backslash', 'blobs\\x'], ['a drive letter', 'C:\\x'],
    ['newline', 'blobs/a\nb'], ['escape', 'blobs/\u001b[2J'], ['right-to-left override', 'blobs/\u202etxt'], ['upper case', name.toUpperCase()], ['a trailing dot', `${name}.`.slice(0, 99)], ['an empty name', ''],
  ]
  for (const [why, evil] of names) {
    await (evil.includes('..') || evil.startsWith('/') ? refused : unread)(t, here, instead({ header: rawHeader({ name: evil, size: 5 }), body: one.body }), Buffer.byteLength(evil) === evil.length && evil !== '' && isCanonical(evil) ? 'DD-BUNDLE-007' : 'DD-BUNDLE-003', why)
  }
  await unread(t, here, instead({ header: checksummed(Buffer.from(one.header.map((byte, i) => (i === 10 ? 0xff : byte)))), body: one.body }), 'DD-BUNDLE-003', 'a name that is not UTF-8')
  await stillImports(t, here)

  /** Whether the raw header happens to be the canonical one of that name: then the name itself is what is wrong. */
  function isCanonical(evil: string): boolean {
    return headerOf({ name: evil, size: 5 }).equals(rawHeader({ name: evil, size: 5 })) && !evil.endsWith('/')
  }
})
