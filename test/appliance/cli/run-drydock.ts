import { spawn } from 'node:child_process'
import { join } from 'node:path'

export const LAUNCHER = join(import.meta.dirname, '../../../appliance/main/drydock')

export type Run = { code: number | null; out: string; err: string; records(): Record<string, unknown>[] }

/** The real program as a process of its own. `env` comes on top of an environment without colour and without anybody's credentials. */
export async function runDrydock(args: readonly string[], options: { env?: Record<string, string>; input?: string; launcher?: string; interruptWhen?: RegExp } = {}): Promise<Run> {
  const { promise, resolve, reject } = Promise.withResolvers<Run>()
  const child = spawn(options.launcher ?? LAUNCHER, args, { env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...options.env }, stdio: ['pipe', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  let interrupted = false
  const look = (): void => {
    if (interrupted || options.interruptWhen?.test(out) !== true) return
    interrupted = true
    child.kill('SIGINT')
  }
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString('utf8')
    look()
  })
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString('utf8')))
  child.on('error', reject)
  child.on('close', code => resolve({ code, out, err, records: () => out.trim().split('\n').filter(Boolean).map(line => JSON.parse(line) as Record<string, unknown>) }))
  child.stdin.end(options.input ?? '')
  return await promise
}
