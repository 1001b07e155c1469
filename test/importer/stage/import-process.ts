/**
 * One import in a process of its own, which kills itself at the first journal record that no process before it was killed at.
 * Started again and again over one folder, it dies once at every instant of an import and then finishes.
 *
 *     node import-process.ts FOLDER BUNDLE [--kill | --upload]
 */
import { appendFileSync, createReadStream, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { asDrydockError } from '../../../appliance/core/error.ts'
import { parsePublicKey, secretKeySigner } from '../../../bundles/openpgp/index.ts'
import type { Trust } from '../../../bundles/format/trust.ts'
import { openSite } from '../../support/import-site.ts'

const [folder = '', bundle = '', mode] = process.argv.slice(2)
const { trust, secret, publicKey } = JSON.parse(readFileSync(join(folder, 'people.json'), 'utf8')) as { trust: Trust; secret: string; publicKey: string }
const signer = await secretKeySigner({ armored: secret, what: 'appliance', clock: { now: () => new Date() } })
const appliance = { name: 'appliance', secret, public: publicKey, revocation: '', key: await parsePublicKey(publicKey, 'appliance'), signer }

/** Names of steps; for those who look at some of them only. */
const only = new RegExp(process.env['KILL_STEPS'] ?? '')
/** A second person where two are needed; the same one again where a kill came before the answer. */
const approverOf = ({ approvals, approvalsNeeded }: { approvals: readonly unknown[]; approvalsNeeded: number }): string => (approvalsNeeded > 1 && approvals.length > 0 ? 'berta' : 'anton')
const hitsFile = join(folder, 'hits')
const hits = new Set(existsSync(hitsFile) ? readFileSync(hitsFile, 'utf8').split('\n') : [])

const site = await openSite({ teardown: () => undefined }, {
  trust, folder, appliance,
  onJournal({ name, phase }, when) {
    const instant = `${when} ${phase} of ${name}`
    if (mode !== '--kill' || hits.has(instant) || !only.test(name)) return
    appendFileSync(hitsFile, `${instant}\n`)
    process.kill(process.pid, 'SIGKILL')
  },
})

const request = { actor: 'olga', idempotencyKey: 'the one request' }
if (mode === '--upload') {
  await site.imports.submitStream(createReadStream(bundle), 'upload.drydock', request).catch((failure: unknown) => {
    process.stdout.write(`${JSON.stringify({ operation: 'refused', state: 'none', error: asDrydockError(failure) })}\n`)
    process.exit(0)
  })
} else for (const [k, path] of bundle.split(',').entries()) site.imports.submitPath(path, { ...request, idempotencyKey: `the one request ${k}` })
for (;;) {
  // Volumes that join their import are gone from the list once they have.
  for (const { id } of site.operations.list()) if (id !== site.imports.list().at(-1)!.operation) await site.operations.settled(id)
  const record = site.imports.list().at(-1)
  const operation = await site.operations.settled(record!.operation)
  const { state } = site.imports.get(record!.id)
  if (state === 'verified') await site.imports.proceed(record!.id, 'olga')
  else if (state === 'awaiting-approval') await site.imports.approve(record!.id, approverOf(site.imports.get(record!.id)))
  else {
    process.stdout.write(`${JSON.stringify({ operation: operation.state, state, error: operation.error })}\n`)
    break
  }
}
await site.close()
