import Type from 'typebox'
import { Fingerprint } from '../../../bundles/format/trust.ts'
import { DrydockError } from '../../core/error.ts'
import { ClockView, Decision, DECISION_KINDS, RecallView, SignedImport, TrustView } from '../../model/standing.ts'
import { route, type Route } from '../route.ts'
import type { Services } from '../services.ts'

const strict = { additionalProperties: false } as const
const ById = Type.Object({ id: Type.String({ pattern: '^[a-z0-9][a-z0-9.-]{0,62}$', description: 'an id' }) }, strict)

/** What the appliance believes, what it withholds, what time it goes by, and the decisions about these that need two people. */
export function standingRoutes({ trustView, signedImports, recalls, clockView, decisions }: Services): Route[] {
  const about = ({ params }: { params: { id: string } }) => ({ subject: `decision:${params.id}` })
  return [
    route({ method: 'GET', path: '/trust/status', needs: 'viewer', summary: 'Keys with their ages and roles, trust changes that wait, and whether a backup brought an older trust back.', answer: TrustView, handle: () => trustView() }),
    route({
      method: 'GET', path: '/trust/keys/:fingerprint/bundles', needs: 'viewer', summary: 'What came in with a signature by this key.',
      params: Type.Object({ fingerprint: Fingerprint }, strict), answer: Type.Array(SignedImport), handle: ({ params }) => signedImports(params.fingerprint),
    }),
    route({ method: 'GET', path: '/recalls', needs: 'viewer', summary: 'What was withdrawn and what it hits here, lifted recalls too.', answer: Type.Array(RecallView), handle: () => recalls() }),
    route({
      method: 'GET', path: '/recalls/:id', needs: 'viewer', summary: 'One recall and what it hits here.', params: ById, answer: RecallView,
      async handle({ params }) {
        const found = (await recalls()).find(({ id }) => id === params.id)
        if (found === undefined) throw new DrydockError('DD-IMPORT-022', `expected a recall of id ${params.id}, found none`, 'list them: drydock recall list')
        return found
      },
    }),
    route({ method: 'GET', path: '/clock', needs: 'viewer', summary: 'Trusted time, and where its floor comes from.', answer: ClockView, handle: () => clockView() }),
    route({ method: 'GET', path: '/decisions', needs: 'viewer', summary: 'Decisions that wait for a second admin.', answer: Type.Array(Decision), handle: () => decisions.list() }),
    route({
      method: 'POST', path: '/decisions', needs: 'admin', summary: 'Ask for something that two admins must agree to: another floor of trusted time, or a trust that a backup brought back. Nothing happens yet.',
      body: Type.Object({ kind: Type.Enum(DECISION_KINDS), to: Type.Optional(Type.String({ maxLength: 64 })) }, strict), answer: Decision, status: 201,
      audit: ({ body }) => ({ subject: `decision:${body.kind}`, fields: body.to === undefined ? {} : { to: body.to } }),
      handle: ({ body, request }) => decisions.ask(body, request.actor),
    }),
    route({ method: 'POST', path: '/decisions/:id/confirm', needs: 'admin', summary: 'Agree to what another admin asked for; it is done then.', params: ById, answer: Decision, audit: about, handle: ({ params, request }) => decisions.confirm(params.id, request.actor) }),
    route({ method: 'DELETE', path: '/decisions/:id', needs: 'admin', summary: 'Withdraw it, whoever asked.', params: ById, audit: about, handle: ({ params }) => decisions.withdraw(params.id) }),
  ]
}
