import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { encoded } from '../../../bundles/archive/header.ts'
import { OF_THE_MEDIUM } from '../../../bundles/archive/reader.ts'
import { ENTRY_BYTES, fileSource, headerOf, readVolume, writeVolume, type ByteSource, type Entry } from '../../../bundles/archive/index.ts'

const CONTENTS: Record<string, Buffer> = Object.fromEntries(
  [0, 1, 511, 512, 513, 1024 * 1024, 1024 * 1024 + 1, 2_500_000].map(size => [`blobs/${size}`, Buffer.alloc(size, String(size))]),
)

async function written(folder: string, contents = CONTENTS): Promise<string> {
  const path = join(folder, 'volume.drydock')
  const volume = await writeVolume(path)
  for (const [name, content] of Object.entries(contents)) await volume.add({ name, size: content.length }, content)
  await volume.finish()
  return path
}

/** Gives at most `most` bytes at a time. */
function trickle(bytes: Buffer, most: number): ByteSource {
  let at = 0
  return {
    async read(into) {
      const length = Math.min(most, into.length, bytes.length - at)
      bytes.copy(into, 0, at, at + length)
      at += length
      return length
    },
  }
}

async function readAll(source: ByteSource): Promise<Record<string, Buffer>> {
  const volume = readVolume(source)
  const found: Record<string, Buffer> = {}
  for (let entry: Entry | undefined = await volume.entry(); entry !== undefined; entry = await volume.entry()) {
    const chunks: Buffer[] = []
    for (let chunk = await volume.chunk(); chunk !== undefined; chunk = await volume.chunk()) chunks.push(Buffer.from(chunk))
    found[entry.name] = Buffer.concat(chunks)
    t.equal(found[entry.name]!.length, entry.size)
  }
  return found
}

await t.test('what is written is read again, however the bytes come in', async t => {
  const bytes = readFileSync(await written(t.testdir()))
  for (const most of [5000, 65_537, 10_000_000]) t.strictSame(await readAll(trickle(bytes, most)), CONTENTS, `${most} bytes at a time`)
  const small = { 'manifest.json': Buffer.from('{}'), 'blobs/513': Buffer.alloc(513, 'y') }
  const few = readFileSync(await written(t.testdir({ small: {} }), small))
  for (const most of [1, 7, 512]) t.strictSame(await readAll(trickle(few, most)), small, `${most} at a time`)
})

await t.test('the header that is written over a template is the one that tar makes, for every length of name and number of digits', async t => {
  const sizes = [0, 1, 7, 8, 511, 512, 513, ...Array.from({ length: 32 }, (_none, bit) => 2 ** bit * 3 - 1), ENTRY_BYTES]
  const other = Array.from({ length: 99 }, (_none, k) => 'blobs/0123456789abcdef.x-y/z'.charAt((k * 5) % 27).replace('/', 'q').padEnd(1, 'a')).join('').replaceAll(/[.-]/g, 'z')
  let compared = 0
  for (let length = 2; length <= 99; length++) {
    for (const size of sizes) if (headerOf({ name: other.slice(0, length), size }).equals(encoded({ name: other.slice(0, length), size }))) compared++
  }
  t.equal(compared, 98 * sizes.length)
  for (const name of ['', 'UPPER', ' ', 'a/', 'x'.repeat(100)]) t.same(headerOf({ name, size: 5 }), encoded({ name, size: 5 }), `${JSON.stringify(name)} is left to tar`)
  t.throws(() => headerOf({ name: 'ä', size: 5 }), { code: 'DD-BUNDLE-002' }, 'what needs more than a plain header is refused as before')
  for (const size of [ENTRY_BYTES + 1]) t.throws(() => headerOf({ name: 'blobs/x', size }), `${size} bytes`)
})

await t.test('an entry that is expected begins, and one that is not is told as what it is', async t => {
  const path = await written(t.testdir(), { 'blobs/1': Buffer.from('1'), 'blobs/2': Buffer.from('22') })
  const volume = readVolume(trickle(readFileSync(path), 600))
  t.equal(await volume.begins({ name: 'blobs/1', size: 1 }), true)
  t.equal(String(await volume.chunk()), '1')
  t.equal(await volume.chunk(), undefined)
  t.equal(await volume.begins({ name: 'blobs/2', size: 3 }), false, 'of another size')
  t.equal(await volume.begins({ name: 'blobs/3', size: 2 }), false, 'of another name')
  t.same(await volume.entry(), { name: 'blobs/2', size: 2 })
  t.equal(String(await volume.chunk(1)), '2', 'as much as is asked for')
  t.equal(String(await volume.chunk(5)), '2')
  t.equal(await volume.chunk(), undefined)
  t.equal(await volume.begins({ name: 'blobs/4', size: 1 }), false, 'nothing begins behind the end')
})

await t.test('whatever the kernel says of a medium that cannot be read, direct or not, is told of the medium', async t => {
  for (const code of OF_THE_MEDIUM) {
    const handle = { read: async () => await Promise.reject(Object.assign(new Error(code), { code })) }
    await t.rejects(fileSource(handle, 4096).read(Buffer.alloc(512)), { code: 'DD-BUNDLE-022', message: /from byte 4096 on/ }, code)
  }
  const other = { read: async () => await Promise.reject(Object.assign(new Error('EBADF'), { code: 'EBADF' })) }
  await t.rejects(fileSource(other).read(Buffer.alloc(512)), { code: 'EBADF' }, 'a fault of ours is not')
})

await t.test('GNU tar and Python read the same names, sizes and contents', async t => {
  const folder = t.testdir()
  const path = await written(folder)
  const listing = execFileSync('tar', ['-tvf', path], { env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' } }).toString().trim().split('\n')
  t.same(listing, Object.entries(CONTENTS).map(([name, { length }]) => `-rw-r--r-- 0/0 ${String(length).padStart(15)} 1980-01-01 00:00 ${name}`))
  mkdirSync(join(folder, 'x'))
  t.equal(execFileSync('tar', ['-xf', path, '-C', join(folder, 'x')], { stdio: ['ignore', 'pipe', 'inherit'] }).toString(), '')
  for (const [name, content] of Object.entries(CONTENTS)) t.ok(readFileSync(join(folder, 'x', name)).equals(content), name)
  const python = 'import tarfile,sys,hashlib,json\nwith tarfile.open(sys.argv[1]) as f: print(json.dumps([[m.name,m.size,m.isreg(),m.mode,len(f.extractfile(m).read())] for m in f]))'
  const found = JSON.parse(execFileSync('/usr/bin/python3', ['-c', python, path]).toString()) as unknown
  t.same(found, Object.entries(CONTENTS).map(([name, { length }]) => [name, length, true, 0o644, length]))
})

await t.test('an entry must be as long as announced, and fit a plain header', async t => {
  const volume = await writeVolume(join(t.testdir(), 'volume'))
  await t.rejects(volume.add({ name: 'a', size: 3 }, Buffer.from('four')), { code: 'DD-BUNDLE-004' })
  await t.rejects(volume.add({ name: 'a', size: 5 }, Buffer.from('four')), { code: 'DD-BUNDLE-004' })
  await volume.discard()
  t.throws(() => headerOf({ name: 'x'.repeat(101), size: 1 }), { code: 'DD-BUNDLE-002' })
  t.throws(() => headerOf({ name: 'ä', size: 1 }), { code: 'DD-BUNDLE-002' })
  t.throws(() => headerOf({ name: 'x', size: 8 * 1024 ** 3 }), { code: 'DD-BUNDLE-002' })
})
