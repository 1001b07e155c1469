import { parseDigest } from '../core/digest.ts'
import type { NodeRecord } from '../model/node.ts'
import type { NodeView } from '../model/view.ts'
import type { NodeDiff } from './answers.ts'

export function nodeView(node: NodeRecord): NodeView {
  return {
    name: node.name,
    pool: node.pool,
    revision: node.revision,
    hypervisor: node.hypervisor,
    image: parseDigest(node.image),
    phase: node.phase,
    phaseSince: new Date(node.phaseSince).toISOString(),
    waitsFor: node.waitsFor,
    failure: node.failure,
    jobs: node.heartbeat?.jobs ?? [],
    bootId: node.heartbeat?.bootId ?? null,
    heartbeatAt: node.heartbeat === null ? null : new Date(node.heartbeat.at).toISOString(),
    bootSeconds: node.firstHeartbeatAt === undefined ? null : (node.firstHeartbeatAt - node.createdAt) / 1000,
  }
}

/** What differs between two runners, as each measured itself: the question is whether a job can tell them apart. */
export function nodeDiff(a: NodeRecord, b: NodeRecord): NodeDiff {
  const [left, right] = [factsOf(a), factsOf(b)]
  const facts = [...new Set([...left.keys(), ...right.keys()])].toSorted()
  return {
    a: a.name,
    b: b.name,
    differences: facts.filter(fact => left.get(fact) !== right.get(fact)).map(fact => ({ fact, a: left.get(fact) ?? null, b: right.get(fact) ?? null })),
  }
}

function factsOf({ image, heartbeat, measurement }: NodeRecord): Map<string, string> {
  const facts = new Map([['image', image], ...(heartbeat?.layers ?? []).map((layer, index) => [`layer ${index}`, layer] as const)])
  if (measurement === null) return facts
  for (const { role, run, found } of measurement.verify) facts.set(`verify ${role}: ${run}`, found)
  for (const line of measurement.packages) {
    const [name = line, version = 'installed'] = line.split(/[ =\t]+/)
    facts.set(`package ${name}`, version)
  }
  for (const [name, value] of Object.entries(measurement.environment)) facts.set(`environment ${name}`, value)
  for (const line of measurement.mounts) facts.set(`mount ${line}`, 'present')
  for (const flag of measurement.cpuFlags) facts.set(`cpu flag ${flag}`, 'present')
  return facts.set('kernel', measurement.kernel).set('kernel parameters', measurement.parameters).set('cpu', measurement.cpuModel)
}
