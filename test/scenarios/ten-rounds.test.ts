import { createCipheriv } from 'node:crypto'
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { digestOfFile, digestOf } from '../../appliance/core/digest.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { itemKey, type Item } from '../../bundles/format/item.ts'
import { runDrydock } from '../appliance/cli/run-drydock.ts'
import { fileItems, person, trustOf } from '../support/bundles.ts'
import { openSite, type Site } from '../support/import-site.ts'

/** The machine may be busy with other tests. */
t.setTimeout(280_000)

/** All that is random comes from this; the contents of every round can be made again. */
const SEED = 20_261
const MIB = 1024 * 1024
const BIG_BYTES = 8 * MIB

/** Compressible by a quarter, like a file system of programs. */
function seeded(length: number, what: string): Buffer {
  const key = Buffer.from(digestOf(`${SEED} ${what}`).slice(7, 39), 'hex')
  const bytes = createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
  for (let k = 0; k < length; k++) bytes[k]! &= 0x3f
  return bytes
}

/** What is to be collected: by name, a version and its bytes. */
type Wanted = Map<string, { version: string; bytes: Buffer }>

const small = (name: string, version: string): { version: string; bytes: Buffer } => ({ version, bytes: seeded(2000 + name.length * 700, `${name} ${version}`) })
const big = (wanted: Wanted): Buffer => wanted.get('disk.img')!.bytes
const setBig = (wanted: Wanted, version: string, bytes: Buffer): void => void wanted.set('disk.img', { version, bytes })

function overwritten(bytes: Buffer, at: number, length: number): Buffer {
  const next = Buffer.from(bytes)
  seeded(length, `written at ${at}`).copy(next, at)
  return next
}

/** What happens before each round, and the most that its bundle may weigh. */
const ROUNDS: readonly { what: string; change: (wanted: Wanted) => void; most: number }[] = [
  { what: 'nothing', change: () => undefined, most: 100_000 },
  { what: 'add five', change: wanted => [1, 2, 3, 4, 5].forEach(k => wanted.set(`added/${k}`, small(`added/${k}`, '1'))), most: 100_000 },
  { what: 'write over 1 % of a big file', change: wanted => setBig(wanted, '2', overwritten(big(wanted), 3_000_000, BIG_BYTES / 100)), most: 0.05 * BIG_BYTES },
  { what: 'remove two', change: wanted => ['part/3', 'added/2'].forEach(name => wanted.delete(name)), most: 100_000 },
  { what: 'upgrade three', change: wanted => ['part/1', 'part/5', 'added/1'].forEach(name => wanted.set(name, small(name, '2'))), most: 100_000 },
  { what: 'put bytes in at the front of the big file', change: wanted => setBig(wanted, '3', Buffer.concat([seeded(1234, 'front'), big(wanted)])), most: 0.05 * BIG_BYTES },
  { what: 'downgrade one, and the big file', change: wanted => (wanted.set('part/5', small('part/5', '1')), setBig(wanted, '2', overwritten(seeded(BIG_BYTES, 'disk'), 3_000_000, BIG_BYTES / 100))), most: 0.05 * BIG_BYTES },
  { what: 'nothing again', change: () => undefined, most: 100_000 },
  { what: 'rename the big file and a small one', change: wanted => ['disk.img', 'part/7'].forEach(name => (wanted.set(`renamed/${name}`, wanted.get(name)!), name === 'disk.img' || wanted.delete(name))), most: 100_000 },
  {
    what: 'all of it at once',
    change: wanted => {
      wanted.set('added/9', small('added/9', '1'))
      wanted.delete('part/9')
      wanted.set('part/5', small('part/5', '3'))
      setBig(wanted, '4', overwritten(Buffer.concat([seeded(77, 'twice'), big(wanted).subarray(1000)]), 6_000_000, 50_000))
    },
    most: 0.05 * BIG_BYTES,
  },
]

const [ana, jon] = await Promise.all([person('Ana Ruiz'), person('Jon Berg')])

await t.test('ten rounds of deltas, and after each the site has every item of the lock, byte for byte', async t => {
  const site = await openSite(t, { trust: trustOf([ana, jon]) })
  const here = t.testdir({ keys: { 'ana.key': ana.secret, 'jon.key': jon.secret, 'appliance.asc': site.appliance.public }, receipts: {} })
  for (const name of ['ana.key', 'jon.key']) chmodSync(join(here, 'keys', name), 0o600)
  const workspace = join(here, 'workspace')
  mkdirSync(workspace)
  const wanted: Wanted = new Map([['disk.img', { version: '1', bytes: seeded(BIG_BYTES, 'disk') }]])
  for (let k = 0; k < 40; k++) wanted.set(`part/${k}`, small(`part/${k}`, '1'))
  const ever = new Set<string>()

  const round = async (number: number, what: string, since: readonly string[]): Promise<number> => {
    const items = lockOf(workspace, wanted)
    for (const item of items) ever.add(itemKey(item))
    const run = await runDrydock(['bundle', 'build', workspace, '--site', 'site-a', '--out', here, '--key', join(here, 'keys/ana.key'), join(here, 'keys/jon.key'), ...since, '--json'])
    t.equal(run.code, 0, `${what}: built ${run.err}`)
    const file = String(run.records().find(record => record['type'] === 'bundle')?.['file'])
    const record = await site.importBundle(file)
    t.match(record, { state: 'imported', sequence: number }, `${what}: ${record.error?.message ?? 'imported'}`)
    const { receipt, signature } = site.imports.receipt(record.id)
    writeFileSync(join(here, 'receipts', `${number}.json`), receipt)
    writeFileSync(join(here, 'receipts', `${number}.json.asc`), signature)
    await equalsLock(t, site, items, ever, what)
    return statSync(file).size
  }

  const full = await round(1, 'the full bundle', [])
  t.comment(`seed ${SEED}; full bundle: ${full} bytes`)
  for (const [k, { what, change, most }] of ROUNDS.entries()) {
    change(wanted)
    const before = k + 1
    const since = k % 2 === 0 ? ['--since', join(here, 'receipts', `${before}.json`), '--appliance-key', join(here, 'keys/appliance.asc')] : ['--since-bundle', String(before)]
    const size = await round(before + 1, what, since)
    t.comment(`round ${k + 1}, ${since[0]}: ${what}: ${size} bytes, ${((size / full) * 100).toFixed(2)} % of the full bundle`)
    t.ok(size <= most, `${what}: ${size} of at most ${most} bytes`)
  }

  const refusals: readonly [more: string[], exit: number, says: RegExp][] = [
    [['--since-bundle', '3', '--since', join(here, 'receipts/1.json')], 2, /expected --since or --since-bundle, found both[^]*DD-CLI-001/],
    [['--since-bundle', '12'], 2, /expected a sequence before 12, which is being built[^]*DD-CLI-001/],
    [['--since-bundle', '1', '--epoch', '4'], 2, /expected a whole record of sequence 1 in epoch 4 of this workspace, found none of any[^]*without --since-bundle[^]*DD-BUNDLE-031/],
  ]
  for (const [more, exit, says] of refusals) {
    const run = await runDrydock(['bundle', 'build', workspace, '--out', here, ...more])
    t.match(run, { code: exit, err: says }, more.join(' '))
  }
})

/** The lock as `bundle collect` writes it, with the blobs that it names. */
function lockOf(workspace: string, wanted: Wanted): Item[] {
  const items = [...wanted].flatMap(([name, { version, bytes }]) => fileItems(join(workspace, 'blobs'), { [name]: bytes }, version)).toSorted((a, b) => (itemKey(a) < itemKey(b) ? -1 : 1))
  writeFileSync(join(workspace, 'lock.json'), JSON.stringify({ format: 'drydock-collection-lock/1', name: 'rounds', created: '2026-01-01T00:00:00Z', items }))
  return items
}

/** Each item of the lock as it is, each of its blobs read again; and beside them nothing but what earlier locks named: removal is by garbage collection. */
async function equalsLock(t: Test, site: Site, items: readonly Item[], ever: ReadonlySet<string>, what: string): Promise<void> {
  const held = new Map([...site.store.catalogue.current().items('file')].map(item => [itemKey(item), item]))
  const others = items.filter(item => canonicalJson(held.get(itemKey(item)) ?? null) !== canonicalJson(item)).map(itemKey)
  t.same(others, [], `${what}: every item of the lock is there as it is`)
  t.same([...held.keys()].toSorted(), [...ever].toSorted(), `${what}: and no item that no lock ever named`)
  const wrong: string[] = []
  for (const { digest, size } of items.flatMap(({ blobs }) => blobs)) {
    const found = await digestOfFile(site.store.blobs.blobPath(digest))
    if (found.digest !== digest || found.size !== size) wrong.push(digest)
  }
  t.same(wrong, [], `${what}: every blob is what its name says`)
}
