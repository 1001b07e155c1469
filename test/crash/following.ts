import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { verifyAudit } from '../../appliance/telemetry/verify-audit.ts'
import type { ImportRecord } from '../../bundles/format/import-record.ts'
import type { Receipt } from '../../bundles/format/receipt.ts'
import { parsePublicKey, verifyDetached } from '../../bundles/openpgp/index.ts'
import type { Case } from './bundles.ts'
import type { Person } from './person.ts'
import type { Ending } from './world.ts'

/** How often people look, milliseconds. */
export const LOOK_MS = 15

/** An operator and an approver who bring in one import and see it to its end, over HTTPS. */
export async function followingAs({ olga, paul, applianceKey }: { olga: Person; paul: Person; applianceKey: string }) {
  const key = await parsePublicKey(readFileSync(applianceKey, 'utf8'), 'the appliance')

  /** The newest import that is not the first one. Each volume of a set is one of its own until it has joined: one that failed is what the others wait for. */
  async function newest(): Promise<ImportRecord | undefined> {
    const records = ((await olga('GET', '/imports')) as ImportRecord[]).filter(({ sequence }) => sequence !== 1)
    return records.find(({ state }) => state === 'failed') ?? records[0]
  }

  async function follow(subject: Case, upload: boolean, resumes = 1): Promise<Ending> {
    for (const volume of subject.volumes) await olga('POST', '/imports', upload ? { upload: volume, name: basename(volume) } : { path: volume }, basename(volume))
    for (let resumed = 0; ; await setTimeout(LOOK_MS)) {
      const record = await newest()
      if (record === undefined) continue
      const { id, state, error } = record
      if (state === 'verified') await olga('POST', `/imports/${id}/proceed`, {}).catch(unlessMoved(id, state))
      else if (state === 'awaiting-approval') await paul('POST', `/imports/${id}/approve`, {}).catch(unlessMoved(id, state))
      else if (state === 'quarantined') await paul('POST', `/imports/${id}/reject`, { reason: 'it says something else than the one that we have' }).catch(unlessMoved(id, state))
      else if (state === 'failed' && resumed++ < resumes * subject.volumes.length) await olga('POST', `/imports/${id}/resume`, {}).catch(unlessMoved(id, state))
      else if (['imported', 'rejected', 'refused', 'cancelled', 'failed'].includes(state) && (await settled(state === 'failed'))) {
        const events = (await olga('GET', '/events?limit=1000')) as { type: string; subject: string }[]
        return { state, error, receipt: state === 'imported' ? await receiptOf(id) : null, promotions: events.filter(event => event.type === 'import.promoted' && event.subject === 'import:2').length, audit: await auditFault() }
      }
    }
  }

  const settled = async (orWaits: boolean): Promise<boolean> => ((await olga('GET', '/operations')) as { state: string }[]).every(({ state }) => ['succeeded', 'failed', 'cancelled', ...(orWaits ? ['waiting'] : [])].includes(state))

  /** Between the look and the answer it may have moved on by itself: then the next look says where it is. */
  const unlessMoved = (id: string, state: string) => async (failure: unknown): Promise<void> => {
    if (((await olga('GET', `/imports/${id}`)) as ImportRecord).state === state) throw failure
  }

  async function receiptOf(id: string): Promise<string> {
    const { receipt, signature } = (await olga('GET', `/imports/${id}/receipt`)) as { receipt: string; signature: string }
    const { signatures } = await verifyDetached(Buffer.from(receipt), signature, [key], new Date())
    return signatures.length === 1 ? String((JSON.parse(receipt) as Receipt).inventoryDigest) : 'not signed'
  }

  async function auditFault(): Promise<string | null> {
    const lines = String(await olga('GET', '/audit/export')).trimEnd().split('\n')
    return await verifyAudit(lines, { verifySignature: async (bytes, signature) => (await verifyDetached(bytes, signature, [key], new Date())).signatures.length > 0 }).then(() => null, String)
  }

  return { follow, newest, unlessMoved, auditFault }
}
