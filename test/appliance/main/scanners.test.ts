import { join } from 'node:path'
import t from 'tap'
import { examine } from '../../../appliance/main/inside/doctor.ts'
import { bundleOf } from '../../support/bundles.ts'
import { definitionsItem, eicarDefinitions } from '../../support/eicar.ts'
import { initSite, planSite, startSite } from './site.ts'

t.setTimeout(60_000)

const DAY = 24 * 60 * 60 * 1000

await t.test('the appliance says how old its virus definitions are, and doctor says it too while it runs', async t => {
  const site = await planSite(t.testdir())
  const config = { ...site.config, scan: { ...site.config.scan, clamav: 'auto' as const } }
  await initSite(site)
  const appliance = await startSite(config)
  t.teardown(() => appliance.close())
  const doctorSays = async (): Promise<unknown> => (await examine(config)).find(({ check }) => check === 'virus scanner')
  t.match(await appliance.services.scanners(), [{ name: 'clamav', state: 'no definitions', version: /^\d/, definitions: null, maxAgeDays: 14 }])
  t.match(await doctorSays(), { state: 'unknown', found: /no definitions came in a bundle yet/ })

  const built = `${new Date(Date.now() - 30.5 * DAY).toISOString().slice(0, 19)}Z`
  const folder = join(site.folder, 'media')
  const { file } = await bundleOf({ folder, items: [definitionsItem(join(folder, 'blobs'), eicarDefinitions(), built)], signers: site.people.map(({ signer }) => signer) })
  const { imports, operations } = appliance.services
  const { id } = imports.submitPath(file, { actor: 'ana', idempotencyKey: 'definitions' })
  const until = async (state: string): Promise<void> => {
    for (let k = 0; k < 600 && imports.get(id).state !== state; k++) await new Promise(done => setTimeout(done, 50))
    t.equal(imports.get(id).state, state, operations.get(id)?.error?.message ?? '')
  }
  await until('verified')
  await imports.proceed(id, 'ana')
  await until('awaiting-approval')
  await imports.approve(id, 'paul')
  await until('imported')
  t.match(await appliance.services.scanners(), [{ state: 'old definitions', definitions: { built, ageDays: 30 } }])
  t.match(await doctorSays(), { state: 'bad', found: /30 days old/, hint: /at most 14 days/ })
})

await t.test('what is switched off is said', async t => {
  const site = await planSite(t.testdir())
  t.match((await examine(site.config)).find(({ check }) => check === 'virus scanner'), { state: 'unknown', found: /switched off/ })
})
