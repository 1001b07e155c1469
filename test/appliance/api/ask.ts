import { request as httpsRequest } from 'node:https'
import type { TestAppliance } from './appliance.ts'

export type Answer = { status: number; headers: Record<string, string | string[] | undefined>; text: string; json(): Record<string, unknown> }

/** One real TLS request that trusts the test appliance's CA and nothing else. */
export async function ask(appliance: Pick<TestAppliance, 'url' | 'pki'>, method: string, path: string, options: { token?: string; headers?: Record<string, string>; body?: unknown; bytes?: Buffer } = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const body = options.bytes ?? (options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body)))
  const request = httpsRequest(`${appliance.url}${path}`, {
    method, ca: appliance.pki.caPem, agent: false,
    headers: {
      ...(body === undefined ? {} : { 'content-type': options.bytes === undefined ? 'application/json' : 'application/octet-stream', 'content-length': String(body.length) }),
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      ...options.headers,
    },
  })
  request.on('error', reject)
  request.on('response', response => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('error', reject)
    response.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8')
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: () => JSON.parse(text) as Record<string, unknown> })
    })
  })
  request.end(body)
  return await promise
}
