import { canonicalJson } from '../../../bundles/format/canonical-json.ts'
import { digestOf, type Digest } from '../../core/digest.ts'
import type { Want } from '../../model/agent.ts'
import type { Measurement } from '../../model/image.ts'
import type { Heartbeat, NodePhase, NodeRecord } from '../../model/node.ts'

/** Silence longer than this breaks "seen idle without a break": three intervals of the agent, milliseconds. */
const UNBROKEN_MILLISECONDS = 30_000

/** What the agent says before its verify commands have run. */
export const NOT_MEASURED: Digest = `sha256:${'0'.repeat(64)}` as Digest

/** What a guest is to do, by its node's phase. A failed node is not stopped here: a job may still run on it. */
export const WANT = {
  planned: 'run',
  booting: 'run',
  enrolled: 'run',
  healthy: 'run',
  draining: 'quiesce',
  drained: 'quiesce',
  failed: 'quiesce',
  removing: 'stop',
  gone: 'stop',
} as const satisfies Record<NodePhase, Want>

export type HeartbeatVerdict = {
  /** The record as it is now; the same object when the heartbeat was ignored. */
  record: NodeRecord
  /** `stale`: an earlier or repeated one. `wrong-image`: kept, so that the planner sees what is wrong, but the guest gets no work. */
  verdict: 'accepted' | 'wrong-image' | 'stale'
  /** The guest started again, which its image does not do by itself. */
  rebooted: boolean
  /** Something a planner would act on: first word, another image, jobs that came or went, a new measurement. */
  notable: boolean
  /** Its measurement is not here yet. */
  measure: boolean
}

/**
 * What a heartbeat makes of a node's record. Pure. `layers` are the image's verity roots, lowest first; null when they cannot be known.
 * `idleSince` is only ever reset here: that a node is idle takes the CI server's word too, and that is the planner's to join.
 */
export function takeHeartbeat(record: NodeRecord, heartbeat: Heartbeat, layers: readonly string[] | null, now: number): HeartbeatVerdict {
  const last = record.heartbeat
  const sameBoot = last?.bootId === heartbeat.bootId
  const measure = heartbeat.measurementDigest !== NOT_MEASURED && (record.measurement === null || measurementDigest(record.measurement) !== heartbeat.measurementDigest)
  if (last !== null && sameBoot && heartbeat.seq <= last.seq) return { record, verdict: 'stale', rebooted: false, notable: false, measure }
  const right = layers !== null && sameList(layers, heartbeat.layers)
  const rebooted = last !== null && !sameBoot
  const broken = last === null || rebooted || now - last.at > UNBROKEN_MILLISECONDS || heartbeat.jobs.length > 0 || !right
  return {
    record: {
      ...record,
      ...(right && record.firstHeartbeatAt === undefined ? { firstHeartbeatAt: now } : {}),
      heartbeat: { ...heartbeat, at: now },
      measurement: measure || heartbeat.measurementDigest === NOT_MEASURED ? null : record.measurement,
      idleSince: broken ? null : record.idleSince,
    },
    verdict: right ? 'accepted' : 'wrong-image',
    rebooted,
    notable: last === null || rebooted || !sameList(last.layers, heartbeat.layers) || !sameList(last.jobs, heartbeat.jobs) || last.measurementDigest !== heartbeat.measurementDigest,
    measure,
  }
}

/** As `jq -cS` prints it: canonical JSON, but jq escapes U+007F. */
export function measurementDigest(measurement: Measurement): Digest {
  return digestOf(canonicalJson(measurement).replaceAll('\u007f', '\\u007f'))
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((entry, index) => entry === b[index])
}
