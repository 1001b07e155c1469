import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { digestOf } from '../../appliance/core/digest.ts'
import { verifyAudit } from '../../appliance/telemetry/verify-audit.ts'
import type { ImportRecord } from '../../bundles/format/import-record.ts'
import type { Receipt } from '../../bundles/format/receipt.ts'
import { parsePublicKey, verifyDetached } from '../../bundles/openpgp/index.ts'
import { LAUNCHER } from '../appliance/cli/run-drydock.ts'
import { RealSite } from '../scenarios/real-site.ts'
import { person, trustOf } from '../support/bundles.ts'
import { makeBundles, type Case } from './bundles.ts'
import { launch, type Launched } from './launch.ts'
import { personOf } from './person.ts'
import type { Ending, World } from './world.ts'

/** How often people look, milliseconds. */
const LOOK_MS = 15

/** The real `drydock up`, on real ports, with an operator and an approver who ask it over HTTPS. */
export async function upWorld(): Promise<World> {
  const closing: (() => unknown)[] = []
  const site = new RealSite({ teardown: (close: () => unknown) => void closing.push(close) } as ConstructorParameters<typeof RealSite>[0])
  await site.plan()
  const [ana, jon] = await Promise.all([person('Ana'), person('Jon')])
  writeFileSync(site.trust, JSON.stringify(trustOf([ana, jon])))
  await site.init()
  await site.up()
  await site.people()
  const [olga, paul] = ['olga', 'paul'].map(name => personOf(join(site.folder, 'people', `${name}.json`))) as [ReturnType<typeof personOf>, ReturnType<typeof personOf>]
  const appliance = await parsePublicKey(readFileSync(join(site.data, 'pki/appliance.pub'), 'utf8'), 'the appliance')

  /** The newest import, when it is not the first one. */
  const newest = async (): Promise<ImportRecord | undefined> => ((await olga('GET', '/imports')) as ImportRecord[]).find(({ sequence }) => sequence !== 1)

  async function follow(subject: Case, upload: boolean): Promise<Ending> {
    for (const volume of subject.volumes) await olga('POST', '/imports', upload ? { upload: volume, name: basename(volume) } : { path: volume }, basename(volume))
    for (let resumed = 0; ; await setTimeout(LOOK_MS)) {
      const record = await newest()
      if (record === undefined) continue
      const { id, state, error } = record
      if (state === 'verified') await olga('POST', `/imports/${id}/proceed`, {}).catch(unlessMoved(id, state))
      else if (state === 'awaiting-approval') await paul('POST', `/imports/${id}/approve`, {}).catch(unlessMoved(id, state))
      else if (state === 'quarantined') await paul('POST', `/imports/${id}/reject`, { reason: 'it says something else than the one that we have' }).catch(unlessMoved(id, state))
      else if (state === 'failed' && resumed++ < 1) await olga('POST', `/imports/${id}/resume`, {})
      else if (['imported', 'rejected', 'refused', 'cancelled', 'failed'].includes(state) && (await settled())) {
        const events = (await olga('GET', '/events?limit=1000')) as { type: string; subject: string }[]
        return { state, error, receipt: state === 'imported' ? await receiptOf(id) : null, promotions: events.filter(event => event.type === 'import.promoted' && event.subject === 'import:2').length, audit: await auditFault() }
      }
    }
  }

  const settled = async (): Promise<boolean> => ((await olga('GET', '/operations')) as { state: string }[]).every(({ state }) => ['succeeded', 'failed', 'cancelled'].includes(state))

  /** Between the look and the answer it may have moved on by itself: then the next look says where it is. */
  const unlessMoved = (id: string, state: string) => async (failure: unknown): Promise<void> => {
    if (((await olga('GET', `/imports/${id}`)) as ImportRecord).state === state) throw failure
  }

  async function receiptOf(id: string): Promise<string> {
    const { receipt, signature } = (await olga('GET', `/imports/${id}/receipt`)) as { receipt: string; signature: string }
    const { signatures } = await verifyDetached(Buffer.from(receipt), signature, [appliance], new Date())
    return signatures.length === 1 ? String((JSON.parse(receipt) as Receipt).inventoryDigest) : 'not signed'
  }

  async function auditFault(): Promise<string | null> {
    const lines = String(await olga('GET', '/audit/export')).trimEnd().split('\n')
    return await verifyAudit(lines, { verifySignature: async (bytes, signature) => (await verifyDetached(bytes, signature, [appliance], new Date())).signatures.length > 0 }).then(() => null, String)
  }

  const start = (more: Partial<Parameters<typeof launch>[2]> = {}): Launched => launch(LAUNCHER, ['up', ...site.flags, '--log-level', 'error'], { ready: /^console/, env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', NODE_COMPILE_CACHE: join(site.folder, 'cache') }, ...more })

  await site.down()
  const bundles = await makeBundles(join(site.media, 'bundles'), [ana.signer, jon.signer])
  const first = start()
  await first.ready
  await olga('POST', '/imports', { path: bundles.first }, 'first')
  for (let record: ImportRecord | undefined; record?.state !== 'imported'; await setTimeout(LOOK_MS)) {
    record = ((await olga('GET', '/imports')) as ImportRecord[])[0]
    if (record?.state === 'verified') await olga('POST', `/imports/${record.id}/proceed`, {}).catch(unlessMoved(record.id, 'verified'))
    if (record?.state === 'awaiting-approval') await paul('POST', `/imports/${record.id}/approve`, {}).catch(unlessMoved(record.id, 'awaiting-approval'))
  }
  const { receipt } = (await olga('GET', '/imports/1/receipt')) as { receipt: string }
  const cases = await bundles.second({ base: digestOf(receipt), inventory: new Set((JSON.parse(receipt) as Receipt).inventory) })
  first.tell('SIGTERM')
  await first.ended
  const base = join(site.folder, 'base')
  for (const [from, to] of [[site.data, 'data'], [site.marks, 'marks']] as const) cpSync(from, join(base, to), { recursive: true })

  return {
    name: 'up', cases, data: site.data, marks: site.marks,
    reset() {
      for (const [to, from] of [[site.data, 'data'], [site.marks, 'marks']] as const) {
        rmSync(to, { recursive: true, force: true, maxRetries: 5 })
        cpSync(join(base, from), to, { recursive: true })
      }
    },
    async run({ subject, upload }, kill) {
      const { tell, ready, ended } = start(kill === undefined ? {} : { kill })
      const wasReady = (await ready) !== undefined
      // Whoever was asking when it was killed gets an error and asks again after the next start.
      const ending = wasReady ? await follow(subject, upload).catch((failure: unknown) => String(failure)) : undefined
      if (typeof ending === 'object') tell('SIGTERM')
      const { signal, out, err } = await Promise.race([ended, setTimeout(20_000).then(() => ({ signal: 'stuck', out: '', err: '' }))])
      if (signal === 'stuck') tell('SIGKILL')
      return { killed: signal === 'SIGKILL', wasReady, ending: typeof ending === 'object' ? ending : undefined, said: `${typeof ending === 'string' ? ending : ''}${out}${err}` }
    },
    async close() {
      for (const close of closing) await close()
    },
  }
}
