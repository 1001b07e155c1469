import type { RecallHit } from '../../bundles/format/control.ts'
import type { ImportRecord, Preflight } from '../../bundles/format/import-record.ts'
import type { NewEvent } from '../model/event.ts'
import type { ImportLedger } from './import-ledger.ts'
import type { Move } from './import-move.ts'
import { decide, work, type Decision, type ImportDeps } from './import-steps.ts'
import type { OperationContext } from './operation-kind.ts'

/**
 * A new trust or a recall brings no payload: after the preflight it is read to its end, because nothing may follow there, and waits for
 * approval only; where a site asks nobody, for `proceed`.
 */
export async function withoutPayload(context: OperationContext, deps: ImportDeps, { id, source, proceed }: { id: string; source: string; proceed: boolean }, move: Move): Promise<void> {
  await context.step('read', async () => await deps.steps.stage(id, source, work(deps, context, 'stage', 'bytes')))
  const alone = await context.step('alone', async () => deps.ledger.get(id)?.approvalsNeeded === 0)
  if (alone && !proceed) decide(await context.waitFor<Decision>('proceed'))
  await context.step('awaiting', async () => {
    move('awaiting-approval')
    return true
  })
}

/** Imports that came in with a signature by this key: what a revocation makes people look at again. */
export function importsSignedBy(records: readonly ImportRecord[], fingerprint: string): ImportRecord[] {
  return records.filter(record => record.state === 'imported' && record.preflight?.signers.some(signer => signer.fingerprint === fingerprint) === true)
}

/** What a new trust or a recall tells once it is in force. Pure, and the same on every run: import `id` counts as done, which it is once this is told. */
export function controlEvents(id: string, { trust, recall }: Preflight, hits: readonly RecallHit[], ledger: Pick<ImportLedger, 'list'>): Omit<NewEvent, 'operation' | 'actor'>[] {
  const changes = trust === undefined ? [] : [{ type: 'trust.changed', subject: 'trust', fields: { from: trust.from, to: trust.to, keys: trust.keys.map(key => `${key.change} ${key.name}`).join(', ') } }]
  const revoked = (trust?.keys ?? []).filter(({ change }) => change === 'revoked').map(({ fingerprint, name }) => {
    const signed = importsSignedBy(ledger.list().map(record => (record.id === id ? { ...record, state: 'imported' as const } : record)), fingerprint)
    return { type: 'trust.revoked', subject: `key:${fingerprint}`, fields: { name, imports: signed.length, sequences: signed.map(record => `${record.preflight?.stream} ${record.sequence}`).join(', ') } }
  })
  const said = (recall?.recalls ?? []).map(({ action, id, severity, reason, digests, items }) =>
    action === 'lift' ? { type: 'recall.lifted', subject: `recall:${id}`, fields: { recall: id, reason } } : { type: 'recall.applied', subject: `recall:${id}`, fields: { recall: id, severity, reason, digests: digests.length, items: items.join(', ') } },
  )
  const hit = hits.filter(({ kind }) => kind !== 'item').map(({ recall: id, kind, name, what }) => ({ type: 'recall.hit', subject: `${kind}:${name}`, fields: { recall: id, [kind]: name, has: what } }))
  return [...changes, ...revoked, ...said, ...hit]
}
