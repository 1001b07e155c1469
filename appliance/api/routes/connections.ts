import Type from 'typebox'
import { HypervisorConnection } from '../../model/desired.ts'
import { CiView, HypervisorView, NewCi } from '../answers.ts'
import { route, type Route } from '../route.ts'
import type { Services } from '../services.ts'

/** One connection that does not answer must not hold the page. */
const ASK_MS = 5000

export function connectionRoutes({ connections }: Services): Route[] {
  return [
    route({ method: 'GET', path: '/hypervisors', needs: 'viewer', summary: 'Where runners live, and whether it answers.', answer: Type.Array(HypervisorView), handle: () => connections.hypervisors(AbortSignal.timeout(ASK_MS)) }),
    route({
      method: 'POST', path: '/hypervisors', needs: 'admin', summary: 'Add or replace a hypervisor.', body: HypervisorConnection,
      audit: ({ body }) => ({ subject: `hypervisor:${body.name}`, fields: { kind: body.kind } }),
      handle: ({ body }) => connections.addHypervisor(body),
    }),
    route({ method: 'GET', path: '/ci', needs: 'viewer', summary: 'CI servers, and whether they answer.', answer: Type.Array(CiView), handle: () => connections.cis(AbortSignal.timeout(ASK_MS)) }),
    route({
      method: 'POST', path: '/ci', needs: 'admin', summary: 'Add or replace a CI server.', body: NewCi,
      audit: ({ body }) => ({ subject: `ci:${body.name}`, fields: { kind: body.kind, url: body.url } }),
      handle: ({ body }) => connections.addCi(body),
    }),
  ]
}
