import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CiEnrolment } from '../../../../appliance/model/ci-connector.ts'

/** The guest's side of the sim CI as appliance/agent/protocol.md tells it: asks, runs by `sh -c`, reports until the report is taken. */
export function startShellAgent(enrolment: CiEnrolment): { ran: string[]; stop(): Promise<void> } {
  const stopped = new AbortController()
  const ran: string[] = []
  const headers = { authorization: `Bearer ${enrolment.secret}` }
  const loop = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      try {
        const response = await fetch(`${enrolment.url}/agents/${enrolment.agentId}/next`, { headers, signal: stopped.signal })
        if (response.status !== 200) {
          await response.arrayBuffer()
          if (response.status !== 204) await sleep(50, undefined, { signal: stopped.signal })
          continue
        }
        const { job } = (await response.json()) as { job: { id: string; command: string } }
        const result = await runShell(job.command, stopped.signal)
        ran.push(job.id)
        await report(`${enrolment.url}/jobs/${job.id}/result`, headers, result, stopped.signal)
      } catch {
        await sleep(50, undefined, { signal: stopped.signal }).catch(() => undefined)
      }
    }
  }
  const running = loop()
  return {
    ran,
    async stop() {
      stopped.abort()
      await running
    },
  }
}

async function report(url: string, headers: Record<string, string>, result: object, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const taken = await fetch(url, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(result), signal }).then(response => response.status < 500, () => false)
    if (taken) return
    await sleep(20, undefined, { signal })
  }
}

async function runShell(command: string, signal: AbortSignal): Promise<{ status: number; output: string }> {
  const { promise, resolve } = Promise.withResolvers<{ status: number; output: string }>()
  const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.on('error', () => undefined)
  child.on('close', code => resolve({ status: code ?? 137, output }))
  return await promise
}
