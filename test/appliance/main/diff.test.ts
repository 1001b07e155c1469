import t from 'tap'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { canonicalJson } from '../../../bundles/format/canonical-json.ts'
import { digestOf } from '../../../appliance/core/digest.ts'
import type { Receipt } from '../../../bundles/format/receipt.ts'
import { openBundle } from '../../../bundles/build/index.ts'
import { bundleOf, person } from '../../support/bundles.ts'
import { runDrydock } from '../cli/run-drydock.ts'

/** The machine may be busy with other tests. */
t.setTimeout(120_000)

const folder = t.testdir()
const appliance = await person('appliance')
const first = await bundleOf({ folder: join(folder, 'a'), signers: [], files: { a: 'one', b: 'two', c: 'three' } })
const second = await bundleOf({ folder: join(folder, 'b'), signers: [], sequence: 2, files: { a: 'one', b: 'changed', ['d\u001b[2J']: 'four' } })
const diff = async (...words: string[]) => await runDrydock(['bundle', 'diff', ...words])

await t.test('two bundles: what came, what went, what is not what it was', async t => {
  const told = await diff(first.file, second.file)
  t.match(told, { code: 0, err: '' })
  t.match(told.out, /^before {5}demo, sequence 1 of stream demo, 3 items, 11 B\nafter {6}demo, sequence 2 .*\nnew {8}11 B of blobs that are not there before; 14 B travel in this bundle\n/)
  t.match(told.out, /^file {6}1 {8}1 {8}0 {8}1 {5}1 {2}11 B$/m)
  t.match(told.out, /^! file {2}b {2}1, with other bytes$/m)
  t.match(told.out, /^\+ file {2}d\\u001b\[2J {2}1$/m, 'a name cannot clear the screen')
  t.match(told.out, /^- file {2}c {2}1$/m)
  t.match((await diff(first.file, second.file, '--exit-code')).code, 1)
  const records = (await diff(first.file, second.file, '--json')).records()
  t.match(records.map(({ type, sort }) => `${String(type)} ${String(sort)}`), ['diff undefined', 'kind undefined', 'item altered', 'item added', 'item removed'])
  t.match(await diff(first.file, first.file, '--exit-code'), { code: 0, out: /the same items with the same bytes/ })
})

await t.test('a receipt stands for what the site holds, and a delta for its base', async t => {
  const opened = await openBundle(first.file)
  await opened.close()
  const inventory = [digestOf('one'), digestOf('two'), digestOf('three')].toSorted()
  const receipt: Receipt = {
    format: 'drydock-receipt/1', applianceId: 'x', site: 'site-a', stream: 'demo', epoch: 0, sequence: 1, manifest: opened.manifestDigest, generation: 3, at: '2026-01-01T00:00:00.000Z', signers: [], submittedBy: 'o', approvedBy: [],
    inventoryDigest: digestOf(canonicalJson(inventory)), inventory, counts: {}, refused: [], missing: [],
  }
  const [file, key] = [join(folder, 'receipt.json'), join(folder, 'appliance.asc')]
  writeFileSync(file, canonicalJson(receipt))
  writeFileSync(`${file}.asc`, await appliance.signer.sign(Buffer.from(canonicalJson(receipt))))
  writeFileSync(key, appliance.public)
  const told = await diff(file, second.file)
  t.match(told, { code: 0, out: /what site-a holds after sequence 1 of demo \(generation 3\), 3 blobs; its signature is not judged/ })
  t.match(told.out, /11 B of blobs that are not there before/)
  t.match(await diff(file, second.file, '--appliance-key', key), { code: 0, out: /signed by its appliance/ })
  writeFileSync(`${file}.asc`, await (await person('Eve')).signer.sign(Buffer.from(canonicalJson(receipt))))
  t.match(await diff(file, second.file, '--appliance-key', key), { code: 3, err: /DD-TRUST/ })

  const delta = await bundleOf({ folder: join(folder, 'c'), signers: [], sequence: 2, files: { a: 'one', e: 'five' }, since: { base: digestOf('elsewhere'), inventory: new Set([digestOf('one')]) } })
  const beside = await diff(first.file, delta.file)
  t.match(beside.out, /the second is a delta that stands on sha256:[0-9a-f]{64}, not on the first/)
  t.match(beside.out, /2 items of the first are not named by the second/)
  t.notMatch(beside.out, /^- /m)
  t.match(await diff(join(folder, 'none'), delta.file), { code: 2, err: /found no such file[^]*DD-BUNDLE-017/ })
})
