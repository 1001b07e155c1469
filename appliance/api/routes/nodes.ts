import Type from 'typebox'
import { DrydockError } from '../../core/error.ts'
import type { NodeRecord } from '../../model/node.ts'
import { NodeView } from '../../model/view.ts'
import { ConsoleText, NodeDiff } from '../answers.ts'
import { nodeDiff, nodeView } from '../node-view.ts'
import { route, type Route } from '../route.ts'
import type { Services } from '../services.ts'

const strict = { additionalProperties: false } as const
const Name = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$', description: 'a name of small letters, digits and -' })
const ByName = Type.Object({ name: Name }, strict)
/** A console that does not answer by then is reported as silent. */
const CONSOLE_MS = 10_000

export function nodeRoutes({ nodes, console }: Services): Route[] {
  const found = (name: string): NodeRecord => {
    const node = nodes.get(name)
    if (node === undefined) throw new DrydockError('DD-CLI-012', `expected a node of this name, found none: ${JSON.stringify(name)}`, 'drydock node list shows them')
    return node
  }
  return [
    route({
      method: 'GET', path: '/nodes', needs: 'viewer', summary: 'Every runner that is there or on its way.',
      query: Type.Object({ pool: Type.Optional(Name), gone: Type.Optional(Type.Literal('true')) }, strict),
      answer: Type.Array(NodeView),
      handle: ({ query }) => nodes.list(query.pool, { gone: query.gone !== undefined }).map(nodeView),
    }),
    route({
      method: 'GET', path: '/nodes/diff', needs: 'viewer', summary: 'What differs between two runners.',
      query: Type.Object({ a: Name, b: Name }, strict), answer: NodeDiff,
      handle: ({ query }) => nodeDiff(found(query.a), found(query.b)),
    }),
    route({ method: 'GET', path: '/nodes/:name', needs: 'viewer', summary: 'One runner.', params: ByName, answer: NodeView, handle: ({ params }) => nodeView(found(params.name)) }),
    route({
      method: 'GET', path: '/nodes/:name/console', needs: 'viewer', summary: 'The last part of its console log.', params: ByName, answer: ConsoleText,
      handle: async ({ params }) => ({ text: await console(found(params.name).name, AbortSignal.timeout(CONSOLE_MS)) }),
    }),
  ]
}
