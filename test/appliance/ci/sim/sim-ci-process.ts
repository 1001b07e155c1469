import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const SERVER = join(import.meta.dirname, '../../../../appliance/ci/sim/server.ts')
export const ADMIN_TOKEN = 'admin-token-of-this-test'

/** The real server as a process, with short times. */
export class SimCiProcess {
  url = ''
  readonly #state: string
  #child: ChildProcess | null = null

  constructor(state: string) {
    this.#state = state
  }

  /** Again on the same port, if it ran before. */
  async start(): Promise<void> {
    const port = this.url === '' ? '0' : new URL(this.url).port
    const child = spawn(process.execPath, [SERVER, '--listen', `127.0.0.1:${port}`, '--state', this.#state, '--token', ADMIN_TOKEN, '--poll-milliseconds', '1000', '--online-milliseconds', '700'], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#child = child
    for await (const line of createInterface({ input: child.stdout })) {
      this.url = line
      break
    }
    child.stdout.resume()
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }

  async admin(method: string, path: string, body?: object): Promise<{ status: number; json: unknown }> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, json: text === '' ? null : JSON.parse(text) }
  }
}
