import type { PlanInput, PlannedRevision, Wait } from '../model/plan.ts'
import type { Fate } from './node-life.ts'
import type { RolloutPolicy } from './rollout-policy.ts'
import type { SeenNode, SeenPool } from './seen-node.ts'
import { inWords } from './words.ts'

/** What a rollout wants of the pool: what each node is to become (those not named are kept) and how many more there should be. */
export type Wanted = { fates: Map<string, Fate>; create: number; waits: Wait[]; canaries: boolean }

const LIVING = new Set(['planned', 'booting', 'enrolled', 'healthy'])

/**
 * The rolling strategy: never more than size + surge nodes (draining ones count), never fewer ready ones than size − unavailable by our own doing.
 * While canaries are on trial, only they are built and no old node is touched but to make room for them.
 */
export function rolling(input: PlanInput, target: PlannedRevision, policy: RolloutPolicy, seen: SeenPool): Wanted {
  const { size } = target.spec
  const sound = seen.nodes.filter(node => node.record.failure === null && node.record.phase !== 'failed')
  const fresh = sound.filter(node => node.current && LIVING.has(node.record.phase))
  const old = sound.filter(node => !node.current && node.record.phase === 'healthy')
  const unfinished = sound.filter(node => !node.current && LIVING.has(node.record.phase) && node.record.phase !== 'healthy')
  const returning = sound.filter(node => node.current && (node.record.phase === 'draining' || node.record.phase === 'drained') && node.machine === 'running' && node.ci != null)

  const trial = canaryTrial(input, target, policy, seen, fresh)
  const goal = trial === null ? size : Math.min(size, policy.canary)
  const missing = Math.max(0, goal - fresh.length)
  const resumed = returning.slice(0, missing)
  const room = size + policy.surge - seen.nodes.length - seen.orphans.length
  const create = Math.max(0, Math.min(missing - resumed.length, room))
  const short = missing - resumed.length - create

  const budget = endBudget(size - policy.unavailable, fresh, old)
  const surplus = fresh.length > size ? byLeastLoss(fresh).slice(0, fresh.length - size) : []
  const replaceable = byLeastLoss(old.filter(node => node.machine !== 'unknown'))
  const ended = [...budget(surplus, surplus.length), ...budget(replaceable, trial === null ? replaceable.length : short)]

  const fates = new Map<string, Fate>()
  for (const node of unfinished) fates.set(node.record.name, { is: 'end', reason: `revision ${node.record.revision} is not wanted any more` })
  for (const node of ended) fates.set(node.record.name, { is: 'end', reason: node.current ? `the pool has ${fresh.length} nodes of ${size}` : `revision ${node.record.revision} is replaced by ${target.revision}` })
  for (const node of resumed) fates.set(node.record.name, { is: 'resume' })

  const unknown = old.filter(node => node.machine === 'unknown')
  const waits = [...(trial === null ? [] : [trial]), ...unknown.map(node => ({ node: node.record.name, on: `hypervisor ${node.record.hypervisor} to answer` }))]
  return { fates, create, waits, canaries: trial !== null }
}

/** What the trial of the canaries waits for; null when there is none (any more): nothing old to protect, or enough of them have been healthy for the soak. */
function canaryTrial(input: PlanInput, target: PlannedRevision, policy: RolloutPolicy, seen: SeenPool, fresh: SeenNode[]): Wait | null {
  const protects = seen.nodes.some(node => !node.current && node.record.failure === null && node.record.phase !== 'removing')
  if (!protects || policy.canary === 0 || input.lastHealthy === target.revision) return null
  const ages = fresh.flatMap(node => (node.ready ? [input.now - node.record.phaseSince] : []))
  const soaked = ages.filter(age => age >= policy.soak).length
  if (soaked >= policy.canary) return null
  if (ages.length < policy.canary) return { node: null, on: `canaries: ${ages.length} of ${policy.canary} healthy` }
  const youngest = ages.toSorted((a, b) => b - a)[policy.canary - 1] ?? 0
  return { node: null, on: `canaries to soak (${inWords(youngest)} of ${inWords(policy.soak)})` }
}

/**
 * Who may end now. Two budgets: ready nodes above the floor; and nodes at all above the floor, new ones that are not ready yet not counted, so
 * that a CI server that forgets everybody for a moment does not make every old node free to end.
 */
function endBudget(floor: number, fresh: SeenNode[], old: SeenNode[]): (candidates: SeenNode[], atMost: number) => SeenNode[] {
  const unready = fresh.filter(node => !node.ready).length
  let ready = fresh.length - unready + old.filter(node => node.ready).length - floor
  let standing = fresh.length + old.length - unready - floor
  return (candidates, atMost) => {
    const chosen: SeenNode[] = []
    for (const node of candidates) {
      if (chosen.length >= atMost) break
      const pending = node.current && !node.ready
      if (!pending && (standing <= 0 || (node.ready && ready <= 0))) continue
      if (!pending) standing -= 1
      if (node.ready) ready -= 1
      chosen.push(node)
    }
    return chosen
  }
}

/** Those that serve least come first: not ready, then idle, then by age. */
function byLeastLoss(nodes: SeenNode[]): SeenNode[] {
  const rank = (node: SeenNode): number => (node.ready ? (node.jobs.length === 0 ? 1 : 2) : 0)
  return nodes.toSorted((a, b) => rank(a) - rank(b) || a.record.createdAt - b.record.createdAt || byNumber(a.record.name, b.record.name))
}

function byNumber(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1)
}
