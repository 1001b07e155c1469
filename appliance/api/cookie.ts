import type { FastifyReply, FastifyRequest } from 'fastify'

const NAME = 'drydock'
/** Not readable by scripts, never sent in the clear, never sent along from another site. Without an age it ends with the browser. */
const ATTRIBUTES = 'Path=/; HttpOnly; Secure; SameSite=Strict'

export function setSessionCookie(reply: FastifyReply, credential: string): void {
  reply.header('set-cookie', `${NAME}=${credential}; ${ATTRIBUTES}`)
}

export function clearSessionCookie(reply: FastifyReply): void {
  reply.header('set-cookie', `${NAME}=; ${ATTRIBUTES}; Max-Age=0`)
}

/** Who the request says it is from. A bearer token wins, so that a program's call is never taken for the browser's. */
export function credentialOf(request: FastifyRequest): { credential: string; cookie: boolean } | undefined {
  const bearer = /^Bearer ([\w.~+/=-]{1,512})$/i.exec(request.headers.authorization ?? '')?.[1]
  if (bearer !== undefined) return { credential: bearer, cookie: false }
  const cookie = (request.headers.cookie ?? '').split(';').map(pair => pair.trim()).find(pair => pair.startsWith(`${NAME}=`))?.slice(NAME.length + 1)
  return cookie === undefined || cookie === '' ? undefined : { credential: cookie, cookie: true }
}
