import Type from 'typebox'
import { DrydockError } from '../../core/error.ts'
import { Operation, OPERATION_STATES } from '../../model/operation.ts'
import { route, type Route } from '../route.ts'
import type { Services } from '../services.ts'

const strict = { additionalProperties: false } as const
const ById = Type.Object({ id: Type.String({ maxLength: 64 }) }, strict)

export function operationRoutes({ operations }: Services): Route[] {
  const found = (id: string): Operation => {
    const operation = operations.get(id)
    if (operation === undefined) throw new DrydockError('DD-STATE-012', `expected an operation of this id, found none: ${JSON.stringify(id)}`, 'drydock operation list shows them')
    return operation
  }
  return [
    route({
      method: 'GET', path: '/operations', needs: 'viewer', summary: 'Long actions, newest first.',
      query: Type.Object({ state: Type.Optional(Type.Enum(OPERATION_STATES)), limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })) }, strict),
      answer: Type.Array(Operation),
      handle: ({ query }) => operations.list({ limit: query.limit ?? 100, ...(query.state === undefined ? {} : { state: query.state }) }),
    }),
    route({ method: 'GET', path: '/operations/:id', needs: 'viewer', summary: 'One of them, with its progress.', params: ById, answer: Operation, handle: ({ params }) => found(params.id) }),
    route({
      method: 'DELETE', path: '/operations/:id', needs: 'operator', summary: 'Cancel it. What was done stays consistent; it can be asked for again.', params: ById, answer: Operation,
      audit: ({ params }) => ({ subject: `operation:${params.id}` }),
      handle({ params, request }) {
        operations.cancel(found(params.id).id, request.actor)
        return found(params.id)
      },
    }),
  ]
}
