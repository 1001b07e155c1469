import t from 'tap'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { ImportState } from '../../../bundles/format/import-record.ts'
import { openBundle } from '../../../bundles/build/index.ts'
import { sbomText } from '../../../bundles/sbom/index.ts'
import { openTestAppliance, PASSWORD } from '../api/appliance.ts'
import { ask } from '../api/ask.ts'
import { runDrydock } from '../cli/run-drydock.ts'
import { bringBundle, initSite, planSite, startSite } from './site.ts'

/** The machine may be busy with other tests. */
t.setTimeout(120_000)

await t.test('who receives a bundle has the same SBOM as who sent it, from the preflight on and for ever', async t => {
  const site = await planSite(t.testdir())
  await initSite(site)
  const appliance = await startSite(site.config)
  t.teardown(() => appliance.close())
  const { imports, sbom } = appliance.services
  const path = await bringBundle(site)
  const sent = await openBundle(path)
  await sent.close()
  const until = async (id: string, state: ImportState): Promise<void> => {
    while (imports.get(id).state !== state) await pause(20)
  }
  const { id } = imports.submitPath(path, { actor: 'olga', idempotencyKey: 'one' })
  await until(id, 'verified')
  t.equal([...(await sbom(id))].join(''), [...sbomText(sent)].join(''))
  await imports.proceed(id, 'olga')
  await until(id, 'awaiting-approval')
  await imports.approve(id, 'anton')
  await until(id, 'imported')
  t.equal([...(await sbom(id))].join(''), [...sbomText(sent)].join(''), 'staging is empty by now')

  const again = imports.submitPath(path, { actor: 'olga', idempotencyKey: 'two' })
  await until(again.id, 'refused')
  await t.rejects(sbom(again.id), { code: 'DD-IMPORT-024' })
})

await t.test('the API sends it as a document of its own kind, and the command line writes it to a file', async t => {
  const folder = t.testdir()
  const appliance = await openTestAppliance(join(folder, 'data'))
  t.teardown(() => appliance.close())
  const answer = await ask(appliance, 'GET', '/api/v1/imports/7/sbom', { token: await appliance.tokenOf('viewer') })
  t.match(answer, { status: 200, headers: { 'content-type': /^application\/vnd\.cyclonedx\+json/ } })
  t.same(answer.json(), {})
  const env = { DRYDOCK_CREDENTIALS: join(folder, 'viewer.json'), DRYDOCK_PASSWORD: PASSWORD }
  t.match(await runDrydock(['login', appliance.url, '--user', 'viewer', '--ca-sha256', appliance.pki.caSha256], { env }), { code: 0 })
  t.match(await runDrydock(['import', 'show', '7', '--sbom', join(folder, 'bill.json')], { env }), { code: 0, out: /bill\.json {2}sha256:/ })
  t.equal(readFileSync(join(folder, 'bill.json'), 'utf8'), answer.text)
})
