import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'

/** Somebody who is signed in, by the credentials that `drydock login` left. It outlives a kill of the appliance, as the files do. */
export type Person = (method: 'GET' | 'POST', path: string, body?: object | { upload: string; name: string }, key?: string) => Promise<unknown>

export function personOf(credentials: string): Person {
  const { url, token, ca } = (JSON.parse(readFileSync(credentials, 'utf8')) as { appliances: { url: string; token: string; ca: string }[] }).appliances[0]!
  return async (method, path, body, key) => {
    const agent = new Agent({ keepAlive: true })
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
    const upload = body !== undefined && 'upload' in body ? body : undefined
    const call = request(`${url}/api/v1${path}`, {
      method, ca, agent,
      headers: {
        authorization: `Bearer ${token}`, ...(key === undefined ? {} : { 'idempotency-key': key }),
        ...(upload === undefined ? { 'content-type': 'application/json' } : { 'content-type': 'application/octet-stream', 'x-file-name': upload.name }),
      },
    }, response => {
      response.setEncoding('utf8').toArray().then(parts => resolve({ status: response.statusCode ?? 0, text: parts.join('') }), reject)
    })
    call.on('error', reject)
    const sent = pipeline(upload === undefined ? Readable.from(body === undefined ? [] : [JSON.stringify(body)]) : Readable.from([readFileSync(upload.upload)]), call)
    sent.catch(reject)
    try {
      const { status, text } = await promise
      if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text}`)
      return path === '/audit/export' ? text : JSON.parse(text)
    } finally {
      agent.destroy()
    }
  }
}
