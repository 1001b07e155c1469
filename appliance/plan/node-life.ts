import type { NodePhase } from '../model/node.ts'
import type { PlanInput, Step } from '../model/plan.ts'
import { isProvenIdle } from './idle.ts'
import { ENROL_AGAIN_MS } from './limits.ts'
import type { SeenNode } from './seen-node.ts'
import { inWords } from './words.ts'

/**
 * What one node does next, phase by phase. Only its own facts count here; which nodes are to end or to come back is decided for the whole pool.
 *
 *     planned → booting → enrolled → healthy ⇄ draining → drained → removing → gone
 *                  └─────────┴──────────┴→ failed ──┴────────────────┘
 *
 * The way out is the same for every node, wanted or failed: quiesced → both idle proofs → out of the CI → destroyed → seen to be gone.
 */
export type Fate = { is: 'keep' } | { is: 'end'; reason: string } | { is: 'resume' }

export type Next = { step: Step } | { wait: string } | null

/** A failure that says nothing about the image begins with this word; it does not count against a revision. */
export const LOST = 'lost: '

export type Look = { node: SeenNode; fate: Fate; input: PlanInput; bootTimeout: number; drainTimeout: number }

export function nextFor(look: Look): Next {
  return LIFE[look.node.record.phase](look)
}

const LIFE = { planned, booting, enrolled, healthy, draining, drained, removing, failed: end, gone: () => null } satisfies Record<NodePhase, (look: Look) => Next>

/** The name is taken. Transitions to: booting, failed, gone. */
function planned(look: Look): Next {
  const { record, vm, machine } = look.node
  if (vm !== null) return phase(look, 'booting')
  if (machine === 'unknown') return { wait: `hypervisor ${record.hypervisor} to answer` }
  if (look.fate.is === 'end') return phase(look, 'gone')
  if (waited(look) > look.bootTimeout) return phase(look, 'failed', `${record.hypervisor} did not make its machine in ${inWords(look.bootTimeout)}`)
  return { step: { kind: 'boot-node', node: record.name, hypervisor: record.hypervisor } }
}

/** The machine exists. Transitions to: enrolled, failed, the way out. */
function booting(look: Look): Next {
  if (look.fate.is === 'end') return end(look)
  const wrong = trouble(look.node)
  if (wrong !== null) return phase(look, 'failed', wrong)
  const { measured } = look.node
  if (measured.is === 'right') return phase(look, 'enrolled')
  if (waited(look) > look.bootTimeout) return phase(look, 'failed', `expected ${measured.words} within ${inWords(look.bootTimeout)} of its start, found none`)
  return { wait: `${measured.words} (${inWords(waited(look))} of ${inWords(look.bootTimeout)})` }
}

/** It runs what it should. Transitions to: healthy, failed, the way out. */
function enrolled(look: Look): Next {
  if (look.fate.is === 'end') return end(look)
  const { node, input } = look
  const wrong = trouble(node) ?? silence(node)
  if (wrong !== null) return phase(look, 'failed', wrong)
  if (node.ci === null) return { wait: 'the CI server to answer' }
  const forgotten = node.ci === undefined && input.now - node.record.phaseSince >= ENROL_AGAIN_MS
  if (node.record.ciAgentId === null || forgotten) return { step: { kind: 'enrol-ci', node: node.record.name } }
  if (node.ci?.online === true && !node.ci.quiesced && node.fresh) return phase(look, 'healthy')
  if (waited(look) > look.bootTimeout) return phase(look, 'failed', `expected the CI server to show it online within ${inWords(look.bootTimeout)}, found it ${node.ci === undefined ? 'not listed' : 'offline'}`)
  if (node.ci?.quiesced === true) return { wait: 'the CI server to give it jobs again: somebody quiesced it there' }
  return { wait: `the CI server to show it online (${inWords(waited(look))} of ${inWords(look.bootTimeout)})` }
}

/** All agree. Transitions to: enrolled (the CI server lost it), failed, the way out. */
function healthy(look: Look): Next {
  if (look.fate.is === 'end') return end(look)
  const { node, input } = look
  const wrong = trouble(node) ?? silence(node)
  if (wrong !== null) return phase(look, 'failed', wrong)
  if (node.machine === 'unknown') return { wait: `hypervisor ${node.record.hypervisor} to answer` }
  if (!node.fresh) return { wait: `a heartbeat (the last ${node.record.heartbeat === null ? 'never came' : `${inWords(input.now - node.record.heartbeat.at)} ago`})` }
  if (node.ci === null) return null
  if (node.ci === undefined || !node.ci.online) return node.current ? phase(look, 'enrolled') : { wait: 'the CI server to show it online' }
  return node.ci.quiesced ? { wait: 'the CI server to give it jobs again: somebody quiesced it there' } : null
}

/** The way out begins: quiesced at the CI server if that may know it. Transitions to: draining, removing. */
function end(look: Look): Next {
  const { record, ci } = look.node
  const reason = look.fate.is === 'end' ? look.fate.reason : (record.failure ?? 'failed')
  if (ci === null) return { wait: 'the CI server to answer: until then nobody is known to be idle' }
  if (ci !== undefined) return { step: { kind: 'quiesce-node', node: record.name, reason } }
  return record.ciAgentId === null ? { step: { kind: 'remove-node', node: record.name, reason } } : phase(look, 'draining')
}

/** It takes no new job. Transitions to: drained, removing, healthy (resumed). */
function draining(look: Look): Next {
  const { record, ci } = look.node
  if (ci === null) return { wait: 'the CI server to answer: until then nobody is known to be idle' }
  if (look.fate.is === 'resume') return { step: { kind: 'resume-node', node: record.name } }
  if (isRid(look.node)) return { step: { kind: 'remove-node', node: record.name, reason: record.failure ?? 'its machine is gone' } }
  if (ci !== undefined && !ci.quiesced) return { step: { kind: 'quiesce-node', node: record.name, reason: record.failure ?? 'the CI server gives it jobs again' } }
  return mayEnd(look) ? phase(look, 'drained') : { wait: holdsIt(look) }
}

/** Both proofs held; they must hold still. Transitions to: removing, draining, healthy (resumed). */
function drained(look: Look): Next {
  const { record, ci } = look.node
  if (ci === null) return { wait: 'the CI server to answer: until then nobody is known to be idle' }
  if (look.fate.is === 'resume') return { step: { kind: 'resume-node', node: record.name } }
  if (isRid(look.node) || (mayEnd(look) && ci?.quiesced !== false)) return { step: { kind: 'remove-node', node: record.name, reason: record.failure ?? 'drained' } }
  return phase(look, 'draining')
}

/** Out of the CI. Transitions to: gone, draining (the CI server says that it is not so). */
function removing(look: Look): Next {
  const { record, ci, vm, machine, silent } = look.node
  if (ci === null) return { wait: 'the CI server to answer: until then nobody is known to be idle' }
  if (machine === 'running' && ci !== undefined && ci.jobs.length > 0) return phase(look, 'draining')
  if (ci !== undefined) return { step: { kind: 'remove-node', node: record.name, reason: 'the CI server still lists it' } }
  if (machine === 'unknown') return { wait: `hypervisor ${record.hypervisor} to answer` }
  if (vm === null) return phase(look, 'gone')
  if (machine === 'running' && (record.heartbeat?.jobs.length ?? 0) > 0 && !silent) return { wait: holdsIt(look) }
  return { step: { kind: 'destroy-vm', node: record.name, hypervisor: record.hypervisor, ownership: vm.ownership, reason: record.failure ?? 'drained' } }
}

/** Nothing of it runs any more, and the CI server has noticed. */
function isRid({ machine, ci, silent }: SeenNode): boolean {
  if (machine !== 'vanished' && machine !== 'stopped') return false
  return ci === undefined || (ci !== null && !ci.online && (ci.jobs.length === 0 || silent))
}

/** Idle by both proofs; or nothing could ever give it a job; or nobody has heard of it for so long that it is dead. */
function mayEnd({ node, input }: Look): boolean {
  if (isProvenIdle(node.record, input.now, input.quietWindow)) return true
  if (node.ci === null) return false
  if (node.ci === undefined && node.record.ciAgentId === null && node.record.heartbeat === null) return true
  return node.silent && node.machine !== 'unknown' && (node.ci === undefined || (!node.ci.online && node.ci.jobs.length === 0))
}

/** `runs job fw-perf#4411 (4 min)` */
function holdsIt({ node, input, drainTimeout }: Look): string {
  const since = input.now - node.record.phaseSince
  const span = since > drainTimeout ? `${inWords(since)}, longer than drainTimeout ${inWords(drainTimeout)}: the rollout waits, nothing is killed` : inWords(since)
  if (node.machine === 'vanished' || node.machine === 'stopped') return 'the CI server to notice that its machine is gone'
  if (node.jobs.length > 0) return `runs job ${node.jobs.join(', ')} (${span})${node.silent ? '; nothing was heard from it lately' : ''}`
  if (node.record.idleSince !== null) return `idle proofs to hold for the quiet window of ${inWords(input.quietWindow)} and one more heartbeat`
  if (!node.fresh) return `its own idle proof: ${node.record.heartbeat === null ? 'it never sent a heartbeat' : `last heartbeat ${inWords(input.now - node.record.heartbeat.at)} ago`}`
  return `both idle proofs (${span})`
}

function trouble(node: SeenNode): string | null {
  if (node.machine === 'vanished') return `${LOST}its machine vanished from ${node.record.hypervisor}`
  if (node.machine === 'stopped') return 'its machine stopped'
  return node.measured.is === 'wrong' ? node.measured.words : null
}

function silence({ silent, fresh, machine, ci }: SeenNode): string | null {
  return silent && !fresh && machine !== 'unknown' && ci !== null && ci?.online !== true ? 'no heartbeat, and the CI server shows it offline' : null
}

/** Time in this phase, as far as it could be watched. */
function waited({ node, input }: Look): number {
  return input.now - Math.max(node.record.phaseSince, input.watchingSince)
}

function phase(look: Look, to: NodePhase, failure?: string): Next {
  return { step: { kind: 'set-phase', node: look.node.record.name, phase: to, ...(failure === undefined ? {} : { failure }) } }
}
