import type { HomeView } from './answers.ts'
import type { Services } from './services.ts'

/** Findings that are told one by one on the first page; the rest is counted. */
const SHOWN = 5

/** What scanners found in what is served, as long as nobody withdrew it; and a look through the store that did not come to its end. */
export function rescanWaits({ rescans }: Pick<Services, 'rescans'>): HomeView['waiting'] {
  const open = rescans.findings().filter(({ severity, withdrawn }) => severity === 'blocker' && withdrawn === null)
  const rows: HomeView['waiting'] = open.slice(0, SHOWN).map(({ text, broughtBy, digest, recall, at }) => ({
    subject: `store:${digest ?? ''}`, href: '/imports', since: at,
    text: `${text}${broughtBy.length === 0 ? '' : `, brought by ${broughtBy.map(({ stream, sequence }) => `${stream} ${sequence}`).join(', ')}`}: it is served until a recall from the connected side withdraws it`,
    hint: recall ?? 'drydock scanner findings',
  }))
  if (open.length > SHOWN) rows.push({ subject: 'store', href: '/imports', since: null, text: `Scanners found ${open.length - SHOWN} more in what is served`, hint: 'drydock scanner findings' })
  const [last] = rescans.list(1)
  return last?.state === 'failed' ? [...rows, { subject: `rescan:${last.id}`, href: '/imports', since: last.at, text: `The store was not looked through to its end (${last.blobs.done} of ${last.blobs.total} files): ${last.error?.message ?? 'see its operation'}`, hint: 'drydock scanner rescan' }] : rows
}
