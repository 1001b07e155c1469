import t from 'tap'
import { ROLES, type UserRole } from '../../../appliance/model/view.ts'
import { DIGEST, openTestAppliance, PASSWORD } from './appliance.ts'
import { ask } from './ask.ts'

type Document = { paths: Record<string, Record<string, { operationId: string; description: string; requestBody?: unknown }>> }

const appliance = await openTestAppliance(t.testdir())
t.teardown(() => appliance.close())
t.setTimeout(280_000)
const document = (await ask(appliance, 'GET', '/openapi.json')).json() as unknown as Document
const routes = Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })))

/** Who may use what, written down here a second time on purpose: the table in the product is not its own judge. */
const OWN = ['POST /session', 'GET /session', 'DELETE /session', 'POST /session/password', 'POST /tokens', 'GET /tokens', 'DELETE /tokens/{id}']
const APPROVER = ['POST /imports/{id}/approve', 'POST /imports/{id}/reject', 'POST /scanners/dismissals/{id}/approve', 'POST /scanners/dismissals/{id}/reject']
const ADMIN = ['GET /users', 'POST /users', 'DELETE /users/{name}', 'POST /users/{name}/password', 'POST /hypervisors', 'POST /ci', 'POST /decisions', 'POST /decisions/{id}/confirm', 'DELETE /decisions/{id}']

function mayUse(role: UserRole, method: string, path: string): boolean {
  const name = `${method} ${path.replace('/api/v1', '')}`
  if (OWN.includes(name)) return true
  if (ADMIN.includes(name)) return role === 'admin'
  if (APPROVER.includes(name)) return role === 'approver' || role === 'admin'
  if (method === 'GET') return true
  return role === 'operator' || role === 'admin'
}

/** Bodies that pass the shape, so that what answers is the role check and nothing else. */
const BODIES: Record<string, unknown> = {
  postSession: { user: 'viewer', password: 'wrong' }, postSessionPassword: { old: 'wrong', new: 'also wrong, but long' }, postTokens: { label: 'x', role: 'viewer' }, postUsers: { name: 'new', role: 'viewer' },
  postImports: { path: '/media/x' }, postImportsIdReject: { reason: 'no' }, postPools: { document: { apiVersion: 'x' } }, patchPoolsName: { roles: [] }, postPoolsNameRollback: { to: 1 }, postPoolsNamePause: { reason: 'no' },
  postHypervisors: { name: 'h', kind: 'sim', options: {} }, postCi: { name: 'c', kind: 'sim', url: 'http://127.0.0.1:1' }, postDecisions: { kind: 'trust.accept' },
  postScannersDismissals: { finding: '0123456789abcdef0123456789abcdef', reason: 'no' }, postScannersDismissalsIdReject: { reason: 'no' }, postScannersDismissalsIdEnd: { reason: 'no' },
}
const addressOf = (path: string) => path.replace('{hex}', DIGEST.slice(7)).replace('/nodes/{name}', '/nodes/lin-1').replace('/pools/{name}', '/pools/linux-perf-ci').replace('/users/{name}', '/users/nobody').replace('/imports/{id}', '/imports/7').replace('/dismissals/{id}', '/dismissals/0123456789abcdef0123456789abcdef').replaceAll(/\{\w+\}/g, 'x')
const queryOf = (path: string) => (path.endsWith('/nodes/diff') ? '?a=lin-1&b=lin-2' : '')

await t.test('the document has every route of the contract', async t => {
  t.ok(routes.length >= 45, `${routes.length} routes`)
  for (const { operation } of routes) t.match(operation.description, /^Needs: (anyone|session|viewer|operator|approver|admin)\.$/, operation.operationId)
})

for (const role of [...ROLES, null]) {
  await t.test(role === null ? 'nobody may do anything without signing in' : `a ${role} may do what a ${role} does, by every route`, async t => {
    for (const { method, path, operation } of routes) {
      if (path.endsWith('/events/stream')) continue
      const headers = role === null ? {} : { token: await appliance.tokenOf(role) }
      const body = BODIES[operation.operationId]
      const answer = await ask(appliance, method, addressOf(path) + queryOf(path), { ...headers, ...(body === undefined ? {} : { body }) })
      const code = answer.status >= 400 ? String(answer.json()['code']) : ''
      const name = `${method} ${path} → ${answer.status} ${code}`
      if (role === null) {
        if (operation.operationId === 'postSession') t.equal(code, 'DD-IDENT-001', name)
        else t.ok(answer.status === 401 && code === 'DD-IDENT-003', name)
      } else if (mayUse(role, method, path)) {
        // A submitter does not approve what is theirs; that is a rule about people, not about roles.
        t.notOk(code === 'DD-IDENT-004' || code === 'DD-IDENT-003', name)
      } else t.ok(answer.status === 403 && code === 'DD-IDENT-004', name)
    }
  })
}

await t.test('the only changes a viewer can make are to what is their own', async t => {
  const changing = routes.filter(({ method, path }) => method !== 'GET' && mayUse('viewer', method, path)).map(({ method, path }) => `${method} ${path.replace('/api/v1', '')}`)
  t.same(changing.toSorted(), ['DELETE /session', 'DELETE /tokens/{id}', 'POST /session', 'POST /session/password', 'POST /tokens'])
})

await t.test('every refused change stands in the audit log', async t => {
  const refused = appliance.services.audit.list({ limit: 1000 }).filter(record => record.outcome === 'refused' && record.actor === 'viewer').map(record => record.action)
  for (const { method, path } of routes) {
    if (method === 'GET' || mayUse('viewer', method, path)) continue
    const action = `${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`
    t.ok(refused.includes(action), action)
  }
})

await t.test('a token makes none that lives longer than itself', async t => {
  const { credential: session } = await appliance.identity.signIn('viewer', PASSWORD, 'test')
  const make = async (token: string, hours: number) => (await ask(appliance, 'POST', '/api/v1/tokens', { token, body: { label: 'x', hours } })).json() as { token: { expiresAt: string }; credential: string }
  const parent = await make(session, 2)
  t.equal((await make(parent.credential, 8784)).token.expiresAt, parent.token.expiresAt)
  t.ok((await make(parent.credential, 1)).token.expiresAt < parent.token.expiresAt)
})
