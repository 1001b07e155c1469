import type { Schema } from '../../ui/client/client.ts'

type Preflight = NonNullable<Schema<'ImportRecord'>['preflight']>

/** What a bundle without content changes, a title and a text a line: the same facts for a new trust or a recall. */
export function controlLines({ trust, recall }: Preflight): [title: string, text: string][] {
  return [...(trust === undefined ? [] : trustLines(trust)), ...(recall === undefined ? [] : recallLines(recall))]
}

function trustLines(trust: NonNullable<Preflight['trust']>): [string, string][] {
  const names = (holders: readonly { name: string }[], sign: string): string[] => holders.map(({ name }) => `${sign} ${name}`)
  return [
    ['trust', `version ${trust.from} → ${trust.to}, signed by ${trust.signedByNew.map(({ name }) => name).join(', ')} as root of the new one`],
    ...trust.keys.map(({ change, name, fingerprint }): [string, string] => ['key', `${change}: ${name} ${fingerprint}`]),
    ...trust.roles.map(({ role, threshold, added, removed }): [string, string] => {
      const who = [...names(added, '+'), ...names(removed, '-')].join(', ')
      return [role, `threshold ${threshold.from === threshold.to ? threshold.to : `${threshold.from} → ${threshold.to}`}${who === '' ? '' : `: ${who}`}`]
    }),
  ]
}

function recallLines({ recalls, hits }: NonNullable<Preflight['recall']>): [string, string][] {
  return [
    ...recalls.flatMap(({ action, id, severity, reason, items, digests, replacement }): [string, string][] =>
      action === 'lift'
        ? [['lifts', `${id}: ${reason}`]]
        : [['withdraws', `${[...items, ...digests].join(', ')}`], ['recall', `${id} (${severity}): ${reason}`], ...(replacement === undefined ? [] : [['instead', replacement] as [string, string]])],
    ),
    ...hits.map(({ kind, name, what }): [string, string] => ['affects', kind === 'item' ? `${name} is here: every mirror refuses it from then on` : `${kind} ${name} has ${what}`]),
    ...(hits.length === 0 && recalls.some(({ action }) => action === 'recall') ? [['affects', 'nothing here has it'] as [string, string]] : []),
  ]
}
