import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildAgentServer } from '../../../appliance/api/agent/routes.ts'
import { buildSimCi } from '../../../appliance/ci/sim/app.ts'
import { SimCiStore } from '../../../appliance/ci/sim/store.ts'
import { wallClock } from '../../../appliance/core/clock.ts'
import type { Digest } from '../../../appliance/core/digest.ts'
import { silentLog } from '../../../appliance/core/log.ts'
import { openQemu } from '../../../appliance/drivers/qemu/driver.ts'
import { createPki } from '../../../appliance/identity/pki.ts'
import { imageFolder } from '../../../appliance/images/read-image.ts'
import type { AgentDesk, MeasurementReport, Want } from '../../../appliance/model/agent.ts'
import type { CiEnrolment, CiJob } from '../../../appliance/model/ci-connector.ts'
import type { Hypervisor } from '../../../appliance/model/hypervisor.ts'
import type { ImageManifest } from '../../../appliance/model/image.ts'
import type { Heartbeat } from '../../../appliance/model/node.ts'

const ADMIN = 'admin-token-of-the-test-ci'
const NAME = 'lin-1'
const signal = new AbortController().signal

/** A real VM on the embedded QEMU with the appliance's side of the protocol around it: agent port with TLS, sim CI server. */
export type Guest = {
  /** Times of the first of each, seconds after `create` was called. */
  readonly seconds: Map<string, number>
  readonly heartbeats: Heartbeat[]
  readonly measurements: MeasurementReport[]
  want: Want
  /** Waits until the condition holds. @throws with the end of the console after `seconds`. */
  until(what: string, seconds: number, holds: () => boolean | Promise<boolean>): Promise<void>
  enrolAtCi(): Promise<void>
  job(name: string, command: string): Promise<CiJob>
  jobState(id: string): Promise<CiJob>
  console(): Promise<string>
  vms(): ReturnType<Hypervisor['list']>
  close(): Promise<void>
}

export async function bootGuest(folder: string, imagesDir: string, image: ImageManifest): Promise<Guest> {
  const seconds = new Map<string, number>()
  const heartbeats: Heartbeat[] = []
  const measurements: MeasurementReport[] = []
  let started = 0
  const first = (what: string): void => void (seconds.has(what) || seconds.set(what, (performance.now() - started) / 1000))

  const pki = await createPki({ folder: join(folder, 'pki'), passphrase: 'test', names: ['appliance.test'], clock: wallClock, siteId: 'test', applianceId: 'test' })
  const store = new SimCiStore(join(folder, 'ci.sqlite'), () => Date.now())
  const ci = buildSimCi({ store, token: ADMIN, pollMilliseconds: 20_000, onlineMilliseconds: 15_000, now: () => Date.now() })
  const ciUrl = await ci.listen({ host: '127.0.0.1', port: 0 })
  let enrolment: CiEnrolment | undefined
  const guest = { want: 'run' as Want }
  const desk: AgentDesk = {
    admit: () => first('enrolled'),
    async heartbeat(_node, heartbeat) {
      first('heartbeat')
      heartbeats.push(heartbeat)
      return { want: guest.want, ...(enrolment === undefined ? {} : { ci: enrolment }) }
    },
    measured(_node, report) {
      first('measured')
      measurements.push(report)
    },
  }
  const server = await buildAgentServer({ desk, ca: pki, clock: wallClock, log: silentLog, tls: pki.server, heartbeatSeconds: 3 })
  await server.listen({ host: '127.0.0.1', port: 0 })
  const agentPort = (server.server.address() as AddressInfo).port
  const ciPort = Number(new URL(ciUrl).port)
  const hypervisor = await openQemu({
    name: 'local', applianceId: 'test', vmsDir: join(folder, 'vms'), clock: wallClock, log: silentLog, acceleration: 'tcg',
    holes: [
      { guest: { address: '10.0.2.100', port: 8444 }, host: { address: '127.0.0.1', port: agentPort } },
      { guest: { address: '10.0.2.101', port: 8080 }, host: { address: '127.0.0.1', port: ciPort } },
    ],
  })
  const ownership = { applianceId: 'test', pool: 'test', revision: 1, fence: 1 }
  const nodeJson = JSON.stringify({ name: NAME, pool: 'test', appliance: { url: 'https://appliance.test:8444', address: '10.0.2.100' }, hosts: { 'ci.test': '10.0.2.101' }, ca: pki.caPem, token: 'a-token-that-is-good-once' })
  await hypervisor.ensureImage({ digest: image.digest as Digest, folder: imageFolder(imagesDir, image.digest), commandLine: image.commandLine }, signal)
  started = performance.now()
  await hypervisor.create({ name: NAME, ownership, image: image.digest as Digest, hardware: { cpus: 2, memoryMiB: 1024 }, nodeJson }, signal)

  const askCi = async (method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> => {
    const answer = await fetch(ciUrl + path, { method, headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    return await answer.json()
  }
  return Object.assign(guest, {
    seconds,
    heartbeats,
    measurements,
    async until(what: string, limit: number, holds: () => boolean | Promise<boolean>): Promise<void> {
      for (const end = performance.now() + limit * 1000; ; await sleep(50)) {
        if (await holds()) return
        if (performance.now() > end) throw new Error(`${what}: not within ${limit} s; console:\n${(await hypervisor.console(NAME, signal)).slice(-4000)}`)
      }
    },
    async enrolAtCi(): Promise<void> {
      const agent = (await askCi('POST', '/agents', { node: NAME, labels: ['test'] })) as { id: string; secret: string }
      enrolment = { kind: 'sim', agentId: agent.id, url: 'http://ci.test:8080', secret: agent.secret, labels: ['test'] }
    },
    job: async (name: string, command: string) => (await askCi('POST', '/jobs', { name, command, labels: ['test'] })) as CiJob,
    jobState: async (id: string) => (await askCi('GET', `/jobs/${id}`)) as CiJob,
    console: async () => await hypervisor.console(NAME, signal),
    vms: async () => await hypervisor.list(signal),
    async close(): Promise<void> {
      await hypervisor.destroy(NAME, ownership, signal)
      await hypervisor.close()
      await server.close()
      await ci.close()
      store.close()
    },
  })
}

/** What the image's manifest says the guest's kernel must have open. */
export function expectedLayers(image: ImageManifest): string[] {
  return image.layers.map(layer => layer.verityRoot)
}

export async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(path, 'utf8'))
}
