import Type from 'typebox'
import type { ScannerView } from '../../../bundles/format/import-record.ts'
import { RescanBegun, RescanView, ScannerStanding, StandingFinding } from '../../model/rescan.ts'
import { route, type Route } from '../route.ts'
import type { Services } from '../services.ts'

const strict = { additionalProperties: false } as const
const SHOWN = 10

/** Who looks at what comes in, and at what is here already. */
export function scannerRoutes({ scanners, rescans }: Services): Route[] {
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
