import { renameSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { ImportRecord } from '../../bundles/format/import-record.ts'
import type { OnJournal } from '../../appliance/operations/engine.ts'
import type { Site } from '../support/import-site.ts'
import { stillImports, world } from './hostile.ts'

/** The machine may be busy with other tests. */
t.setTimeout(240_000)

/** Submits all of them before any has ended, and takes each as far as people can. */
async function allAtOnce(site: Site, paths: readonly string[]): Promise<ImportRecord[]> {
  const ids = paths.map((path, k) => site.imports.submitPath(path, { actor: 'olga', idempotencyKey: `at-once-${k}-${crypto.randomUUID()}` }).id)
  await Promise.all(ids.map(id => site.operations.settled(id)))
  await Promise.all(ids.filter(id => site.imports.get(id).state === 'verified').map(id => site.imports.proceed(id, 'olga')))
  await Promise.all(ids.map(id => site.operations.settled(id)))
  await Promise.all(ids.filter(id => site.imports.get(id).state === 'awaiting-approval').map(id => site.imports.approve(id, 'anton')))
  await Promise.all(ids.map(id => site.operations.settled(id)))
  return ids.map(id => site.imports.get(id))
}

function endings(records: readonly ImportRecord[]): string[] {
  return records.map(({ state, error }) => (error === null ? state : `${state} ${error.code}`)).toSorted()
}

await t.test('the same bundle twice, at once and later, comes in once', async t => {
  const here = await world(t)
  const { file } = await here.good()
  t.same(endings(await allAtOnce(here.site, [file, file])), ['imported', 'refused DD-IMPORT-003'])
  t.equal(here.site.store.catalogue.current().generation, 1, 'one generation')
  const before = here.site.fingerprint()
  t.match(await here.site.importBundle(file), { state: 'refused', error: { code: 'DD-IMPORT-003' } })
  t.equal(here.site.fingerprint(), before)
  await stillImports(t, here, { sequence: 2, files: { b: 'b' } })
})

await t.test('of two bundles with one sequence that are approved at once, one comes in', async t => {
  const here = await world(t)
  const [one, two] = [await here.good({ files: { a: 'of one' } }), await here.good({ files: { a: 'of two' } })]
  t.same(endings(await allAtOnce(here.site, [one.file, two.file])), ['imported', 'refused DD-IMPORT-003'])
  t.equal([...here.site.store.catalogue.current().items('file')].length, 1, 'nothing of the other')
  await stillImports(t, here, { sequence: 2, files: { b: 'b' } })
})

await t.test('two bundles of one stream at once: the later one does not let the earlier one come in after it', async t => {
  const here = await world(t)
  const [first, second] = [await here.good({ sequence: 1, files: { a: '1' } }), await here.good({ sequence: 2, files: { b: '2' } })]
  const ended = await allAtOnce(here.site, [second.file, first.file])
  t.same(endings(ended), ['imported', 'refused DD-IMPORT-003'])
  t.match(ended[0], { state: 'imported', sequence: 2 })
  t.same([...here.site.store.catalogue.current().items('file')].map(({ name }) => name), ['b'])
  await stillImports(t, here, { sequence: 3, files: { c: '3' } })
})

/** Of an import, in the order in which they come; a first run tells which there are. */
async function instantsOf(t: Test): Promise<string[]> {
  const seen: string[] = []
  const here = await world(t, { onJournal: ({ name, phase }, when) => void seen.push(`${when} ${phase} of ${name}`) })
  t.match(await here.site.importBundle((await here.good()).file), { state: 'imported' })
  return [...new Set(seen)]
}

await t.test('a file that goes at any instant of its import: all of it comes in or nothing, and with the file back it ends well', async t => {
  const instants = await instantsOf(t)
  t.ok(instants.length > 40, `${instants.length} instants`)
  let go: ((instant: string) => void) | undefined
  const onJournal: OnJournal = ({ name, phase }, when) => go?.(`${when} ${phase} of ${name}`)
  const here = await world(t, { onJournal })
  const { site } = here
  let [failed, sequence] = [0, 0]
  // Every third one, so that each step is still met; where in it, differs from step to step.
  for (const instant of instants.filter((_, k) => k % 3 === 0)) {
    const { file } = await here.good({ sequence: ++sequence, files: { [`of-${sequence}`]: instant } })
    const before = site.fingerprint()
    go = now => {
      if (now !== instant) return
      renameSync(file, `${file}.away`)
      go = undefined
    }
    let record = await site.importBundle(file)
    t.equal(go, undefined, `${instant}: it was there, and then not`)
    renameSync(`${file}.away`, file)
    if (record.state !== 'imported') {
      failed++
      t.match(record, { state: 'failed', error: { code: 'DD-IMPORT-013' } }, `${instant}: ${record.error?.message}`)
      t.equal(site.fingerprint(), before, `${instant}: nothing else changed`)
      record = await taken(site, record.id)
    }
    t.match(record, { state: 'imported' }, instant)
  }
  t.ok(failed > 5 && failed < sequence, `${failed} of ${sequence} could not go on without it`)
  await stillImports(t, here, { sequence: sequence + 1, files: { last: 'x' } })
})

/** Resumed, and to its end. */
async function taken(site: Site, id: string): Promise<ImportRecord> {
  const { id: operation } = site.imports.resume(id, { actor: 'olga', idempotencyKey: crypto.randomUUID() })
  await site.operations.settled(operation)
  if (site.imports.get(id).state === 'verified') await site.imports.proceed(id, 'olga')
  await site.operations.settled(operation)
  if (site.imports.get(id).state === 'awaiting-approval') await site.imports.approve(id, 'anton')
  await site.operations.settled(operation)
  return site.imports.get(id)
}
