import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { headerOf, readVolume, writeVolume, type ByteSource, type Entry } from '../../../bundles/archive/index.ts'

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
