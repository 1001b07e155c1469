import { setTimeout as sleep } from 'node:timers/promises'
import { canonicalJson } from '../../../bundles/format/canonical-json.ts'
import { digestOf, type Digest } from '../../core/digest.ts'
import type { AgentDesk, Want } from '../../model/agent.ts'
import type { CiEnrolment } from '../../model/ci-connector.ts'
import type { Measurement } from '../../model/image.ts'
import { chance, within } from './chance.ts'
import { runCiAgent } from './ci-agent.ts'
import type { DEFAULTS, SimSettings } from './settings.ts'
import type { SimVm } from './vm-files.ts'

const NOT_MEASURED = `sha256:${'0'.repeat(64)}` as Digest
/** After a refused enrolment, milliseconds. */
const ENROL_AGAIN_MILLISECONDS = 2_000

export type Settings = { readonly [K in keyof typeof DEFAULTS]: Required<SimSettings>[K] }

export type GuestPort = {
  desk: AgentDesk
  settings: Settings
  now(): number
  /** A CI server's address as this process reaches it, from what a guest is told. */
  reach(url: string): string
  /** It powered itself off. */
  stopped(): Promise<void>
}

/**
 * What runs in a simulated VM: boots after its delay, enrols with the token of its config drive, heartbeats, measures, takes jobs, and stops when told.
 * Everything it remembers over a restart of the appliance comes out of its VM file: boot id and key from the uuid, the sequence from the time since its start.
 * Ends with the signal.
 */
export async function runGuest(vm: SimVm, port: GuestPort, signal: AbortSignal): Promise<void> {
  const { desk, settings } = port
  const { name } = vm.record.intent
  if (isDead(vm, settings)) return
  const bootedAt = vm.startedAt + bootDelay(vm, settings)
  const measuredAt = bootedAt + within(settings.seed, `verify:${name}`, settings.verifyMilliseconds)
  const measurement = measure(vm)
  const digest = digestOf(canonicalJson(measurement))
  const { token } = JSON.parse(vm.nodeJson) as { token?: string }
  let want: Want = 'run'
  let jobs: string[] = []
  let seq = -1
  let wake = Promise.withResolvers<void>()
  let ci: { enrolment: CiEnrolment; stop: AbortController } | null = null

  await rest(bootedAt - port.now(), signal)
  for (;;) {
    try {
      desk.admit({ token: token ?? '', node: name, csr: `simulated guest ${vm.record.uuid}` })
      break
    } catch {
      await rest(ENROL_AGAIN_MILLISECONDS, signal)
    }
  }
  while (!signal.aborted) {
    seq = Math.max(seq + 1, port.now() - vm.startedAt)
    const measured = port.now() >= measuredAt
    const answer = await desk
      .heartbeat(name, { bootId: vm.record.uuid, seq, layers: activeLayers(vm), jobs, measurementDigest: measured ? digest : NOT_MEASURED, uptimeSeconds: (port.now() - vm.startedAt) / 1000 })
      .catch(() => null)
    if (signal.aborted) return
    if (answer !== null) {
      want = answer.want
      if (answer.measure === true) desk.measured(name, { bootId: vm.record.uuid, digest, measurement })
      if (answer.ci !== undefined && answer.ci.kind === 'sim' && (ci?.enrolment.agentId !== answer.ci.agentId || ci.enrolment.secret !== answer.ci.secret)) {
        ci?.stop.abort()
        const stop = new AbortController()
        ci = { enrolment: answer.ci, stop }
        const running = {
          mayWork: () => want === 'run',
          jobs: (now: string[]) => {
            jobs = now
            wake.resolve()
          },
        }
        void runCiAgent(answer.ci, port.reach(answer.ci.url), settings.seed, running, AbortSignal.any([signal, stop.signal]))
      }
      if (want === 'stop' && jobs.length === 0) {
        ci?.stop.abort()
        await port.stopped()
        return
      }
    }
    wake = Promise.withResolvers<void>()
    const untilMeasured = measured ? Infinity : measuredAt - port.now()
    await Promise.race([rest(Math.min(settings.heartbeatMilliseconds, untilMeasured), signal), wake.promise])
  }
}

/** The serial console up to now, with the markers of protocol.md. */
export function consoleOf(vm: SimVm, settings: Settings, now: number): string {
  const { name, image } = vm.record.intent
  const lines = [`simulated guest ${name} of image ${image}`, '@init 0.001']
  if (vm.disk.fault === 'no-boot') lines.push('Kernel panic - not syncing: simulated')
  else if (!isDead(vm, settings) && now >= vm.startedAt + bootDelay(vm, settings)) lines.push(`@agent ${(bootDelay(vm, settings) / 1000).toFixed(3)}`)
  if (vm.state === 'stopped') lines.push('reboot: Power down')
  return `${lines.join('\r\n')}\r\n`
}

function bootDelay(vm: SimVm, settings: Settings): number {
  return within(settings.seed, `boot:${vm.record.intent.name}`, settings.bootMilliseconds)
}

function isDead(vm: SimVm, settings: Settings): boolean {
  return vm.disk.fault === 'no-boot' || chance(settings.seed, `dead:${vm.record.intent.name}`) < settings.deadGuests
}

function activeLayers(vm: SimVm): string[] {
  return vm.disk.fault === 'wrong-layers' ? vm.disk.layers.map(root => root.split('').toReversed().join('')) : vm.disk.layers
}

/** Every verify command prints what its role pack expects, unless this image is to be bad: then the last one does not. */
function measure(vm: SimVm): Measurement {
  const { verify, environment, fault } = vm.disk
  return {
    verify: verify.map((command, index) => {
      const found = fault === 'verify-fails' && index === verify.length - 1 ? 'exit 1: simulated failure' : command.expect
      return { ...command, found, passed: found === command.expect }
    }),
    packages: [],
    environment,
    kernel: 'simulated',
    parameters: '',
    mounts: ['overlay / overlay'],
    cpuModel: 'simulated',
    cpuFlags: [],
  }
}

/** Keeps no process alive. */
async function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds > 0) await sleep(milliseconds, undefined, { signal, ref: false })
}
