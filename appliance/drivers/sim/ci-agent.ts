import { setTimeout as sleep } from 'node:timers/promises'
import Type from 'typebox'
import { checkShape } from '../../../bundles/format/check.ts'
import type { CiEnrolment } from '../../model/ci-connector.ts'
import { chance } from './chance.ts'

/** A sign of life while quiesced, and the pause after a failed call, milliseconds. */
const PEEK_MILLISECONDS = 2_000
const RETRY_MILLISECONDS = 500

const Answer = Type.Object({ job: Type.Object({ id: Type.String(), name: Type.String(), command: Type.String() }) })
type Job = Type.Static<typeof Answer>['job']

export type SimCiAgentPort = {
  /** Whether it may take a new job now. */
  mayWork(): boolean
  /** The jobs it runs, as `name#id`, changed. */
  jobs(running: string[]): void
}

/** The CI agent of a simulated guest: asks the sim CI server over real HTTP, and pretends to run what it is given. Ends with the signal. */
export async function runCiAgent(enrolment: CiEnrolment, url: string, seed: number, port: SimCiAgentPort, signal: AbortSignal): Promise<void> {
  const headers = { authorization: `Bearer ${enrolment.secret}` }
  const next = `${url}/agents/${enrolment.agentId}/next`
  while (!signal.aborted) {
    try {
      if (!port.mayWork()) {
        await drain(await fetch(`${next}?peek=1`, { headers, signal }))
        await untilMayWork(port, signal)
        continue
      }
      const response = await fetch(next, { headers, signal })
      if (response.status === 200) {
        const { job } = checkShape(Answer, await response.json(), 'next job')
        port.jobs([`${job.name}#${job.id}`])
        await pretend(job, seed, signal)
        await report(`${url}/jobs/${job.id}/result`, headers, job, signal)
        port.jobs([])
      } else {
        await drain(response)
        if (response.status !== 204) await sleep(RETRY_MILLISECONDS, undefined, { signal, ref: false })
      }
    } catch {
      // The server is away or does not know us; a guest only tries again.
      await sleep(RETRY_MILLISECONDS, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }
}

async function untilMayWork(port: SimCiAgentPort, signal: AbortSignal): Promise<void> {
  for (let waited = 0; waited < PEEK_MILLISECONDS && !port.mayWork(); waited += 100) await sleep(100, undefined, { signal, ref: false })
}

/** `sleep 2` takes two seconds; anything else some milliseconds. */
async function pretend(job: Job, seed: number, signal: AbortSignal): Promise<void> {
  const seconds = Number(/\bsleep ([0-9.]+)/.exec(job.command)?.[1] ?? chance(seed, `job:${job.id}`) * 0.05)
  await sleep(seconds * 1000, undefined, { signal, ref: false })
}

/** Sent again until the server takes it. Nothing is run on this machine: the output says so, or repeats what an `echo` would print. */
async function report(url: string, headers: Record<string, string>, job: Job, signal: AbortSignal): Promise<void> {
  const body = JSON.stringify({ status: Number(/\bexit ([0-9]{1,3})\b/.exec(job.command)?.[1] ?? 0), output: `${/\becho ([\w .-]+)/.exec(job.command)?.[1] ?? `simulated: ${job.command}`}\n` })
  while (!signal.aborted) {
    const response = await fetch(url, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body, signal }).catch(() => null)
    if (response !== null) {
      await drain(response)
      if (response.status < 500) return
    }
    await sleep(RETRY_MILLISECONDS, undefined, { signal, ref: false })
  }
}

async function drain(response: Response): Promise<void> {
  await response.arrayBuffer()
}
