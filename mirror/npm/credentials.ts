import type { NpmCredentials } from './authentication.ts'

/** Bearer or Basic; undefined when there is no such header. */
export function credentialsOf(authorization: string | undefined): NpmCredentials | undefined {
  const [scheme = '', value = ''] = (authorization ?? '').split(' ')
  if (scheme.toLowerCase() === 'bearer' && value !== '') return { token: value }
  if (scheme.toLowerCase() !== 'basic') return undefined
  const text = Buffer.from(value, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** `npm login --auth-type=legacy` is `PUT /-/user/org.couchdb.user:<name>` with name and password. */
export function loginOf(method: string, url: string, body: unknown): { user: string; password: string } | undefined {
  if (method !== 'PUT' || !url.startsWith('/-/user/org.couchdb.user')) return undefined
  const { name, password } = (typeof body === 'object' && body !== null ? body : {}) as { name?: unknown; password?: unknown }
  return { user: typeof name === 'string' ? name : '', password: typeof password === 'string' ? password : '' }
}

/** `npm logout` is `DELETE /-/user/token/<token>`: who has the token may end it. */
export function logoutOf(method: string, url: string): string | undefined {
  return method === 'DELETE' ? /^\/-\/user\/token\/([\w.~-]{1,512})$/.exec(url)?.[1] : undefined
}
