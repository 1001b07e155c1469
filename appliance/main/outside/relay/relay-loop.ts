import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { lockFolder } from '../../../state/folder-lock.ts'
import { ensureFolder } from '../../../core/durable-file.ts'
import { asDrydockError, DrydockError } from '../../../core/error.ts'
import { readState, keepState } from './relay-state.ts'
import { dropSigned, relayRound, type Outcome, type RoundDeps } from './round.ts'
import { nextRound } from './schedule.ts'
import type { Schedule } from './relay-file.ts'

/** While bundles wait in the outbox, it is looked at this often: who signs should not wait for the next round. */
const OUTBOX_LOOK_MS = 30_000
/** A clock that was set anew, or a machine that slept, is noticed within this time. */
const MOST_PAUSE_MS = 60_000

export type RelayReport = { type: 'round'; outcome: Outcome['outcome'] | 'failed'; text: string; code: string | null; files: string[]; began: string; next: string | null }

/** One relay, one workspace. @throws DD-RELAY-002 when another one is at work there */
export async function lockRelay(workspace: string): Promise<{ release(): void }> {
  await ensureFolder(workspace)
  try {
    return lockFolder(join(workspace, 'relay.lock'), workspace)
  } catch (cause) {
    if (!(cause instanceof DrydockError)) throw cause
    throw new DrydockError('DD-RELAY-002', cause.message, 'let that one go on, or stop it first; `drydock bundle relay FILE --status` shows what it does', { cause })
  }
}

/** One round, told and remembered. @throws what the round threw, after it was remembered */
export async function oneRound(deps: RoundDeps, schedule: Schedule | undefined, report: (report: RelayReport) => void): Promise<Outcome> {
  const began = deps.clock.now()
  try {
    const outcome = await relayRound(deps)
    await remember(deps, schedule, began, { ...outcome, failed: false }, report)
    return outcome
  } catch (failure) {
    // Interrupted is not failed: the next start goes on where this one was.
    if (deps.signal.aborted) throw failure
    const error = asDrydockError(failure)
    await remember(deps, schedule, began, { text: `${error.message}; ${error.hint}`, code: error.code, files: [], failed: true }, report)
    throw failure
  }
}

type Told = { outcome?: Outcome['outcome']; text: string; code: string | null; files: string[]; failed: boolean }

async function remember({ relay, clock }: RoundDeps, schedule: Schedule | undefined, began: Date, told: Told, report: (report: RelayReport) => void): Promise<void> {
  const state = await readState(relay.workspace)
  const failures = told.failed ? state.failures + 1 : 0
  const now = clock.now()
  const next = schedule === undefined ? null : nextRound(schedule, now, began, failures).toISOString()
  const outcome = told.outcome ?? 'failed'
  await keepState(relay.workspace, { ...state, failures, next, last: { began: began.toISOString(), ended: now.toISOString(), outcome, text: told.text, code: told.code } })
  report({ type: 'round', outcome, text: told.text, code: told.code, files: told.files, began: began.toISOString(), next })
}

/** Rounds by the schedule until the signal; a failed round is told and tried again sooner, and what was dropped before stays. */
export async function relayForever(deps: RoundDeps, schedule: Schedule, report: (report: RelayReport) => void): Promise<void> {
  const { signal, clock, relay } = deps
  const { last, failures } = await readState(relay.workspace)
  let next = nextRound(schedule, clock.now(), last === null ? undefined : new Date(last.began), failures)
  while (!signal.aborted) {
    await waitUntil(next, deps)
    if (signal.aborted) return
    // It was told and remembered: a relay that ended at the first bad night would be found in the morning.
    await oneRound({ ...deps, force: false }, schedule, report).catch(() => undefined)
    next = new Date((await readState(relay.workspace)).next ?? clock.now())
  }
}

async function waitUntil(time: Date, deps: RoundDeps): Promise<void> {
  while (!deps.signal.aborted) {
    const left = time.getTime() - deps.clock.now().getTime()
    if (left <= 0) return
    const open = (await readState(deps.relay.workspace)).waiting.length > 0
    await pause(open ? Math.min(left, OUTBOX_LOOK_MS) : Math.min(left, MOST_PAUSE_MS), undefined, { signal: deps.signal }).catch(() => undefined)
    if (!open || deps.signal.aborted) continue
    await dropSigned(deps).catch((failure: unknown) => deps.say(`the outbox could not be looked at: ${asDrydockError(failure).message}`))
  }
}
