import type { HomeView } from './answers.ts'
import type { Services } from './services.ts'

/** Findings that are told one by one on the first page; the rest is counted. */
const SHOWN = 5

/** What scanners found in what is served, as long as nobody withdrew it; and a look through the store that did not come to its end. */
export function rescanWaits({ rescans }: Pick<Services, 'rescans'>): HomeView['waiting'] {
  const open = rescans.findings().filter(({ severity, withdrawn, dismissal }) => severity === 'blocker' && withdrawn === null && dismissal?.state !== 'dismissed')
  const claimed = open.filter(({ dismissal }) => dismissal?.state === 'waiting')
  // Several signatures may know the same bytes, which one recall withdraws.
  const blobs = Map.groupBy([...claimed, ...open.filter(finding => !claimed.includes(finding))], ({ digest, text }) => digest ?? text).values().toArray()
  const rows: HomeView['waiting'] = blobs.slice(0, SHOWN).flatMap(([first, ...others]) => (first === undefined ? [] : [{ ...first, others: others.length }])).map(({ text, broughtBy, digest, recall, unpublish, at, dismissal, others }) => {
    const found = `${text}${others === 0 ? '' : ` and ${others} more in it`}${broughtBy.length === 0 ? '' : `, brought by ${broughtBy.map(({ stream, sequence }) => `${stream} ${sequence}`).join(', ')}`}`
    const row = { subject: `store:${digest ?? ''}`, href: '/imports' }
    if (dismissal?.state !== 'waiting' && unpublish !== null) return { ...row, since: at, text: `${found}: it is served until somebody who may publish takes it away`, hint: unpublish }
    if (dismissal?.state !== 'waiting') return { ...row, since: at, text: `${found}: it is served until a recall from the connected side withdraws it`, hint: recall ?? 'drydock scanner findings' }
    return { ...row, since: dismissal.at, text: `${found}. ${dismissal.by} says that it is a false alarm (${dismissal.reason}): it waits for an approver (${dismissal.approvals.length} of ${dismissal.approvalsNeeded})`, hint: `drydock dismissal approve ${dismissal.id}` }
  })
  if (blobs.length > SHOWN) rows.push({ subject: 'store', href: '/imports', since: null, text: `Scanners found something in ${blobs.length - SHOWN} more ${blobs.length - SHOWN === 1 ? 'file' : 'files'} of what is served`, hint: 'drydock scanner findings' })
  const [last] = rescans.list(1)
  return last?.state === 'failed' ? [...rows, { subject: `rescan:${last.id}`, href: '/imports', since: last.at, text: `The store was not looked through to its end (${last.blobs.done} of ${last.blobs.total} files): ${last.error?.message ?? 'see its operation'}`, hint: 'drydock scanner rescan' }] : rows
}
