import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'

/** A key and a certificate request as a guest makes them: by openssl. */
export function guestKey(folder: string, commonName: string): { key: string; csr: string } {
  const path = join(folder, 'guest.key')
  execFileSync('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', path])
  const csr = execFileSync('openssl', ['req', '-new', '-key', path, '-subj', `/CN=${commonName}`]).toString()
  return { key: readFileSync(path, 'utf8'), csr }
}

export type Identity = { key: string; cert: string }

/** One request on a connection of its own, the server's certificate checked against the CA. */
export async function ask(port: number, ca: string, method: string, path: string, body?: unknown, identity?: Identity): Promise<{ status: number; json: Record<string, unknown> | null }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; json: Record<string, unknown> | null }>()
  const sent = request({ host: '127.0.0.1', port, servername: 'appliance.example', method, path, ca, agent: false, headers: { 'content-type': 'application/json' }, ...identity }, response => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      resolve({ status: response.statusCode ?? 0, json: text === '' ? null : (JSON.parse(text) as Record<string, unknown>) })
    })
    response.on('error', reject)
  })
  sent.on('error', reject)
  sent.end(body === undefined ? undefined : JSON.stringify(body))
  return await promise
}
