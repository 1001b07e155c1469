import Type from 'typebox'
import { Operation } from '../../model/operation.ts'
import { PoolDocument, Revision } from '../../model/pool.ts'
import { PoolDiff, PoolView } from '../../model/view.ts'
import { route, type Route } from '../route.ts'
import type { Services } from '../services.ts'

const strict = { additionalProperties: false } as const
const ByName = Type.Object({ name: PoolDocument.properties.metadata.properties.name }, strict)
const Message = Type.String({ maxLength: 1024 })

export function poolRoutes({ pools }: Services): Route[] {
  const about = ({ params }: { params: { name: string } }) => ({ subject: `pool:${params.name}` })
  return [
    route({ method: 'GET', path: '/pools', needs: 'viewer', summary: 'Every pool, declared and actual.', answer: Type.Array(PoolView), handle: () => pools.list() }),
    route({
      method: 'POST', path: '/pools', needs: 'operator', summary: 'Make a pool. Nothing runs before it is applied.',
      body: Type.Object({ document: PoolDocument, message: Type.Optional(Message) }, strict), answer: Revision, status: 201,
      audit: ({ body }) => ({ subject: `pool:${body.document.metadata.name}`, fields: { message: body.message ?? '' } }),
      handle: ({ body, request }) => pools.create(body.document, body.message ?? '', request.actor),
    }),
    route({ method: 'GET', path: '/pools/:name', needs: 'viewer', summary: 'One pool.', params: ByName, answer: PoolView, handle: ({ params }) => pools.get(params.name) }),
    route({
      method: 'PATCH', path: '/pools/:name', needs: 'operator', summary: 'A new revision, from a whole document or with other roles. Nothing runs before it is applied.',
      params: ByName,
      body: Type.Union([Type.Object({ document: PoolDocument, message: Type.Optional(Message) }, strict), Type.Object({ roles: PoolDocument.properties.spec.properties.roles, message: Type.Optional(Message) }, strict)]),
      answer: Revision,
      audit: ({ params, body }) => ({ subject: `pool:${params.name}`, fields: { message: body.message ?? '', ...('roles' in body ? { roles: body.roles.join(',') } : {}) } }),
      handle: ({ params, body, request }) => pools.update(params.name, 'roles' in body ? { roles: body.roles } : { document: body.document }, body.message ?? '', request.actor),
    }),
    route({ method: 'GET', path: '/pools/:name/diff', needs: 'viewer', summary: 'What applying the head would change.', params: ByName, answer: PoolDiff, handle: ({ params }) => pools.diff(params.name) }),
    route({ method: 'GET', path: '/pools/:name/history', needs: 'viewer', summary: 'Every revision, oldest first.', params: ByName, answer: Type.Array(Revision), handle: ({ params }) => pools.history(params.name) }),
    route({ method: 'POST', path: '/pools/:name/apply', needs: 'operator', summary: 'Make the head revision so.', params: ByName, answer: Operation, status: 202, audit: about, handle: ({ params, request }) => pools.apply(params.name, request) }),
    route({
      method: 'POST', path: '/pools/:name/rollback', needs: 'operator', summary: 'Back to the last healthy revision, or to the one named: a new revision with the old lock.', params: ByName,
      body: Type.Object({ to: Type.Optional(Type.Union([Type.Integer({ minimum: 1 }), Type.Null()])) }, strict), answer: Operation, status: 202,
      audit: ({ params, body }) => ({ subject: `pool:${params.name}`, fields: { to: body.to ?? 'last healthy' } }),
      handle: ({ params, body, request }) => pools.rollback(params.name, body.to ?? null, request),
    }),
    route({
      method: 'POST', path: '/pools/:name/pause', needs: 'operator', summary: 'No node is made or replaced until it is resumed. Jobs go on.', params: ByName,
      body: Type.Object({ reason: Type.String({ minLength: 1, maxLength: 1024 }) }, strict), answer: PoolView,
      audit: ({ params, body }) => ({ subject: `pool:${params.name}`, fields: { reason: body.reason } }),
      async handle({ params, body, request }) {
        await pools.pause(params.name, body.reason, request.actor)
        return pools.get(params.name)
      },
    }),
    route({
      method: 'POST', path: '/pools/:name/resume', needs: 'operator', summary: 'Go on where it was paused.', params: ByName, answer: PoolView, audit: about,
      async handle({ params, request }) {
        await pools.resume(params.name, request.actor)
        return pools.get(params.name)
      },
    }),
    route({ method: 'DELETE', path: '/pools/:name', needs: 'operator', summary: 'Drain and remove every node, then the pool.', params: ByName, answer: Operation, status: 202, audit: about, handle: ({ params, request }) => pools.delete(params.name, request) }),
  ]
}
