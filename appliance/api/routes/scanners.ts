import Type from 'typebox'
import type { ScannerView } from '../../../bundles/format/import-record.ts'
import { Dismissal } from '../../model/dismissal.ts'
import { RescanBegun, RescanView, ScannerStanding, StandingFinding } from '../../model/rescan.ts'
import { route, type Route } from '../route.ts'
import type { Services } from '../services.ts'

const strict = { additionalProperties: false } as const
const SHOWN = 10

/** What a person says of a finding, or against what another one says. */
const Reason = Type.String({ minLength: 1, maxLength: 1024, pattern: '\\S', description: 'a reason' })
const ById = Type.Object({ id: Dismissal.properties.id }, strict)

/** Who looks at what comes in, and at what is here already. */
export function scannerRoutes({ scanners, rescans, dismissals }: Services): Route[] {
  const about = ({ params }: { params: { id: string } }) => ({ subject: `dismissal:${params.id}` })
  const because = ({ params, body }: { params: { id: string }; body: { reason: string } }) => ({ subject: `dismissal:${params.id}`, fields: { reason: body.reason } })
  return [
    route({
      method: 'GET', path: '/scanners', needs: 'viewer', summary: 'Who looks at imports, how old their definitions are, and when they last looked through the whole store.', answer: Type.Array(ScannerStanding),
      handle: async () => (await scanners()).map(scanner => standingOf(scanner, rescans.list())),
    }),
    route({
      method: 'GET', path: '/scanners/rescans', needs: 'viewer', summary: 'Looks through the store, newest first.',
      query: Type.Object({ limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })) }, strict), answer: Type.Array(RescanView), handle: ({ query }) => rescans.list(query.limit ?? SHOWN),
    }),
    route({ method: 'GET', path: '/scanners/findings', needs: 'viewer', summary: 'What they found in the store and no later one took back, the gravest first.', answer: Type.Array(StandingFinding), handle: () => rescans.findings() }),
    route({
      method: 'POST', path: '/scanners/rescans', needs: 'operator', summary: 'Look through the whole store again. Changes nothing there; the one that is under way with the same definitions already, when there is one. It goes on behind what one that failed or was cancelled has done with the same definitions, unless anew=true.',
      query: Type.Object({ anew: Type.Optional(Type.Literal('true')) }, strict), answer: RescanBegun, status: 202,
      audit: ({ query }) => ({ subject: 'store', fields: { anew: query.anew !== undefined } }),
      handle: ({ request, query }) => rescans.start(request, { anew: query.anew !== undefined }),
    }),
    route({ method: 'GET', path: '/scanners/dismissals', needs: 'viewer', summary: 'Findings that people call false alarms, newest first: waiting for approvers, dismissed, rejected, taken back.', answer: Type.Array(Dismissal), handle: () => dismissals.list() }),
    route({
      method: 'POST', path: '/scanners/dismissals', needs: 'operator', summary: 'Say that a finding of a scanner in what is here is a false alarm. It counts when as many approvers agree as an import needs; for this signature of this scanner in these bytes only.',
      body: Type.Object({ finding: Dismissal.properties.id, reason: Reason }, strict), answer: Dismissal, status: 201,
      audit: ({ body }) => ({ subject: `dismissal:${body.finding}`, fields: { reason: body.reason } }),
      handle: ({ body, request }) => dismissals.claim(body.finding, body.reason, request.actor),
    }),
    route({ method: 'POST', path: '/scanners/dismissals/:id/approve', needs: 'approver', summary: 'Agree that it is one. Not by the one who says it.', params: ById, answer: Dismissal, audit: about, handle: ({ params, request }) => dismissals.approve(params.id, request.actor) }),
    route({
      method: 'POST', path: '/scanners/dismissals/:id/reject', needs: 'approver', summary: 'Turn it down, also after others agreed: it alarms as before.', params: ById, body: Type.Object({ reason: Reason }, strict), answer: Dismissal, audit: because,
      handle: ({ params, body, request }) => dismissals.reject(params.id, body.reason, request.actor),
    }),
    route({
      method: 'POST', path: '/scanners/dismissals/:id/end', needs: 'operator', summary: 'Take it back: it alarms as before.', params: ById, body: Type.Object({ reason: Reason }, strict), answer: Dismissal, audit: because,
      handle: ({ params, body, request }) => dismissals.end(params.id, body.reason, request.actor),
    }),
  ]
}

/** Its part in the last look through everything that came to its end. */
function standingOf(scanner: ScannerView, rescans: readonly RescanView[]): ScannerStanding {
  const last = rescans.find(({ since, endedAt, scanners }) => since === 0 && endedAt !== null && scanners.some(({ name }) => name === scanner.name))
  if (last === undefined) return { ...scanner, rescanned: null }
  const scan = last.scans.find(one => one.scanner === scanner.name)
  const definitions = last.scanners.find(({ name }) => name === scanner.name)?.definitions?.version ?? null
  return { ...scanner, rescanned: { at: last.endedAt ?? last.at, definitions, files: scan?.files ?? 0, findings: scan?.findings ?? 0 } }
}
