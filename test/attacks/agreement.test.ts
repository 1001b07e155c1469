import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { fileSource, readVolume } from '../../bundles/archive/index.ts'
import { digestOf } from '../../appliance/core/digest.ts'
import { bundleOf, person } from '../support/bundles.ts'
import { checksummed, joined, split } from './hostile.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

/** What one reader sees in an archive, in its order. */
type Seen = { name: string; size: number; sha256: string }[]

async function byUs(path: string): Promise<Seen> {
  const file = await open(path)
  try {
    const volume = readVolume(fileSource(file))
    const seen: Seen = []
    for (let entry = await volume.entry(); entry !== undefined; entry = await volume.entry()) {
      const hash = createHash('sha256')
      for (let chunk = await volume.chunk(); chunk !== undefined; chunk = await volume.chunk()) hash.update(chunk)
      seen.push({ name: entry.name, size: entry.size, sha256: hash.digest('hex') })
    }
    return seen
  } finally {
    await file.close()
  }
}

/** Extracted by a program that says nothing, so that a warning is a disagreement too. */
function byProgram(program: 'tar' | 'bsdtar', path: string, into: string): Seen {
  const env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8', TZ: 'UTC' }
  const names = execFileSync(program, ['-tf', path], { env }).toString().split('\n').filter(name => name !== '')
  mkdirSync(into)
  t.equal(execFileSync(program, ['-xf', path, '-C', into], { env, stdio: ['ignore', 'pipe', 'pipe'] }).toString(), '')
  t.equal(readdirSync(into, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile()).length, names.length, `${program}: each name is a file of its own`)
  return names.map(name => ({ name, size: statSync(join(into, name)).size, sha256: digestOf(readFileSync(join(into, name))).slice(7) }))
}

const PYTHON = `
import hashlib, json, sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    seen = [{'name': m.name, 'size': m.size, 'sha256': hashlib.sha256(archive.extractfile(m).read()).hexdigest()} for m in archive if m.isreg()]
    assert len(seen) == len(archive.getmembers())
print(json.dumps(seen))
`

await t.test('GNU tar, bsdtar, Python and we read the same names, sizes and contents in every kind of bundle', async t => {
  const [ana, jon] = [await person('Ana Ruiz'), await person('Jon Berg')]
  const signers = [ana.signer, jon.signer]
  const folder = t.testdir()
  const files = { 'a': 'first', 'empty': '', 'block': Buffer.alloc(512, 1), 'odd': Buffer.alloc(513, 2), 'large': Buffer.alloc(700_001, 3), 'larger': Buffer.from(Array.from({ length: 900_000 }, (_none, k) => (k * k) % 251)) }
  const kinds = {
    'one volume': await bundleOf({ folder: join(folder, 'one'), files, signers }),
    'four volumes with pieces and parity': await bundleOf({ folder: join(folder, 'four'), files, signers, volumeBytes: 600_000, parity: 2 }),
    'a delta of nothing': await bundleOf({ folder: join(folder, 'delta'), files: { a: 'first' }, signers, since: { base: digestOf('receipt'), inventory: new Set([digestOf('first')]) } }),
    'unsigned': await bundleOf({ folder: join(folder, 'unsigned'), files, signers: [] }),
  }
  let at = 0
  for (const [kind, { volumes }] of Object.entries(kinds)) {
    for (const { file } of volumes) {
      const ours = await byUs(file)
      t.ok(ours.length >= 3, `${kind}: ${ours.length} entries`)
      for (const program of ['tar', 'bsdtar'] as const) t.same(byProgram(program, file, join(folder, `x${++at}`)), ours, `${kind}: ${program}`)
      t.same(JSON.parse(execFileSync('/usr/bin/python3', ['-c', PYTHON, file]).toString()), ours, `${kind}: Python`)
    }
  }
})

await t.test('a header has one spelling: any other byte in it, with a right checksum, and the archive is not read', async t => {
  const ana = await person('Ana Ruiz')
  const folder = t.testdir()
  const { file } = await bundleOf({ folder, files: { a: 'first' }, signers: [ana.signer] })
  const entries = split(readFileSync(file))
  const last = entries.at(-1)!
  const path = join(folder, 'changed')
  const accepted: number[] = []
  for (let byte = 0; byte < 512; byte++) {
    for (const flip of [0x01, 0x80]) {
      const header = Buffer.from(last.header)
      header[byte]! ^= flip
      // The name alone may be another canonical one: the index says which name must stand there. A size may be, and then the rest does not fit.
      if (byte < 100 && header[byte]! < 0x7f && header[byte]! > 0x20) continue
      writeFileSync(path, joined([...entries.slice(0, -1), { header: byte >= 148 && byte < 156 ? header : checksummed(header), body: last.body }]))
      const read = await byUs(path).then(() => true, (failure: { code?: string }) => {
        if (!/^DD-BUNDLE-00[356]$/.test(failure.code ?? '')) throw failure
        return false
      })
      if (read) accepted.push(byte)
    }
  }
  t.same(accepted, [], 'bytes that may be another one')
})
