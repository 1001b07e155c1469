import type { IncomingMessage } from 'node:http'
import type { NpmAuthentication } from './authentication.ts'
import { credentialsOf } from './credentials.ts'

/** Whose groups may publish into @site/ and take back what was published. */
export const PUBLISHER_GROUPS = ['publisher', 'operator', 'admin']

/** What somebody who is not known yet may send, bytes: a name and a password. */
const LOGIN_BYTES = 16 * 1024

export type Refusal = { status: 401 | 403 | 413 | 415; error: string }

/**
 * Decides before verdaccio reads a byte. verdaccio parses a body of any client as JSON, unpacks it when it is compressed, and only then asks who
 * sent it: 256 MiB of brackets from a stranger would end the appliance. So strangers send nothing but a login, a change is a publisher's, and it
 * stands in the audit log before it happens.
 * @param path what stands behind `/npm/`, decoded
 * @returns undefined when verdaccio may have it. @throws what the audit log throws: then nothing is changed
 */
export async function refusalOf(request: IncomingMessage, path: string, authentication: NpmAuthentication): Promise<Refusal | undefined> {
  const { method = '', headers } = request
  const length = headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : Infinity
  if (headers['content-encoding'] !== undefined && length > 0) return { status: 415, error: 'expected a body that is not compressed' }
  if (method === 'GET' || method === 'HEAD') return length > 0 ? { status: 413, error: 'expected no body' } : undefined
  if (path.startsWith('-/user/')) return length > LOGIN_BYTES ? { status: 413, error: `expected at most ${LOGIN_BYTES} bytes` } : undefined

  const credentials = credentialsOf(headers.authorization)
  const identity = credentials === undefined ? null : await authentication.authenticate(credentials, addressOf(request))
  if (identity === null) return { status: 401, error: 'expected a token that the appliance knows; log in first' }
  const may = identity.groups.some(group => PUBLISHER_GROUPS.includes(group))
  authentication.record({ user: identity.name, action: `${method} /npm`, subject: `npm:${path.slice(0, 256)}`, outcome: may ? 'allowed' : 'refused' })
  return may ? undefined : { status: 403, error: `expected somebody who may publish (${PUBLISHER_GROUPS.join(', ')})` }
}

export function addressOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? 'unknown'
}
