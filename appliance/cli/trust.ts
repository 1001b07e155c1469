import type { Command } from 'commander'
import { answerOf, openAppliance } from './appliance.ts'
import { sayDecision } from './decision.ts'
import { isMachine } from '../model/machine-actor.ts'
import { outputOf } from './output.ts'

/** `drydock trust show` without a file: what the appliance believes. */
export async function showTrust({ signedBy }: { signedBy?: string }, command: Command): Promise<void> {
  const output = outputOf(command)
  const { client } = await openAppliance()
  if (signedBy !== undefined) {
    const fingerprint = signedBy.replaceAll(/\s/g, '').toUpperCase()
    const bundles = await answerOf(client.GET('/api/v1/trust/keys/{fingerprint}/bundles', { params: { path: { fingerprint } } }))
    for (const { stream, sequence, at, generation } of bundles) output.line(`${stream}, sequence ${sequence}, imported ${at.slice(0, 10)}, generation ${generation ?? '–'}`)
    if (bundles.length === 0) output.line(`nothing came in with a signature by ${fingerprint}`)
    for (const bundle of bundles) output.record(bundle)
    return
  }
  const trust = await answerOf(client.GET('/api/v1/trust/status'))
  output.record(trust)
  output.line(`trust version ${trust.version}, ${trust.digest}`)
  if (trust.behind !== null) output.line(`version ${trust.behind.marked} was in force here: a backup was restored, and no bundle is judged. Import the trust bundles since then, or: drydock trust accept`, 'bad')
  const names = new Map(trust.keys.map(key => [key.fingerprint, key.name]))
  for (const role of ['root', 'release', 'recall'] as const) output.line(`${role.padEnd(8)} ${trust.roles[role].threshold} of ${trust.roles[role].keys.length}: ${trust.roles[role].keys.map(key => names.get(key) ?? key).join(', ')}`)
  for (const key of trust.keys) {
    const state = key.revoked ? 'revoked' : key.ends === null ? 'no end' : `ends ${key.ends.slice(0, 10)}`
    output.line(`key      ${key.fingerprint}  ${key.name}, made ${key.created.slice(0, 10)}, ${state}, signed ${key.bundles} ${key.bundles === 1 ? 'bundle' : 'bundles'} here`, key.revoked ? 'bad' : 'dim')
  }
  for (const { import: id, from, to, approvals, approvalsNeeded, submittedBy } of trust.pending) output.line(`pending  version ${from} → ${to}, ${isMachine(submittedBy) ? 'nobody answers for it yet, ' : ''}${approvals} of ${approvalsNeeded} approvals: drydock import show ${id}`, 'strong')
}

/** Asks for it; another admin confirms. */
export async function acceptTrust(command: Command): Promise<void> {
  const { client } = await openAppliance()
  sayDecision(await answerOf(client.POST('/api/v1/decisions', { body: { kind: 'trust.accept' } })), outputOf(command))
}
