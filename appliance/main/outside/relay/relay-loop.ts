import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { lockFolder } from '../../../state/folder-lock.ts'
import { ensureFolder } from '../../../core/durable-file.ts'
import { asDrydockError, DrydockError } from '../../../core/error.ts'
import { readState, keepState } from './relay-state.ts'
import { dropSigned, type Outcome } from './delivery.ts'
import { relayRound, type RoundDeps, type SiteResult } from './round.ts'
import { nextRound } from './schedule.ts'
import type { Schedule } from './relay-file.ts'

/** While bundles wait in the outbox, it is looked at this often: who signs should not wait for the next round. */
const OUTBOX_LOOK_MS = 30_000
/** A clock that was set anew, or a machine that slept, is noticed within this time. */
const MOST_PAUSE_MS = 60_000

/** What a round came to at a site; `site` is null when it ended before any. */
export type RelayReport = { type: 'round'; site: string | null; outcome: Outcome['outcome'] | 'failed'; text: string; code: string | null; files: string[]; began: string; next: string | null }

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

/** One round, told and remembered. @throws what ended the round, or what failed first at a site, after everything was remembered */
export async function oneRound(deps: RoundDeps, schedule: Schedule | undefined, report: (report: RelayReport) => void): Promise<{ waiting: boolean }> {
  const began = deps.clock.now()
  let results: SiteResult[]
  try {
    results = await relayRound(deps)
  } catch (failure) {
    // Interrupted is not failed: the next start goes on where this one was.
    if (deps.signal.aborted) throw failure
    await remember(deps, schedule, began, [{ site: null, ...toldOf({ failure }) }], report)
    throw failure
  }
  await remember(deps, schedule, began, results.map(result => ({ site: result.site, ...toldOf(result) })), report)
  const failed = results.find(result => 'failure' in result)
  if (failed !== undefined) throw failed.failure
  return { waiting: results.some(result => 'outcome' in result && result.outcome.outcome === 'waiting') }
}

type Told = Pick<RelayReport, 'outcome' | 'text' | 'code' | 'files'>

function toldOf(result: { outcome: Outcome } | { failure: unknown }): Told {
  if ('outcome' in result) return result.outcome
  const error = asDrydockError(result.failure)
  return { outcome: 'failed', text: `${error.message}; ${error.hint}`, code: error.code, files: [] }
}

/** The schedule's state is the workspace's; a site's own, where there are several, says how the round went there. */
async function remember({ relay, clock }: RoundDeps, schedule: Schedule | undefined, began: Date, all: readonly (Told & { site: string | null })[], report: (report: RelayReport) => void): Promise<void> {
  const times = { began: began.toISOString(), ended: clock.now().toISOString() }
  for (const { site, outcome, text, code } of all) {
    const folder = relay.deliveries.find(delivery => delivery.site === site)?.folder
    if (folder === undefined || folder === relay.workspace) continue
    await ensureFolder(folder)
    const state = await readState(folder)
    await keepState(folder, { ...state, failures: outcome === 'failed' ? state.failures + 1 : 0, last: { ...times, outcome, text, code } })
  }
  const state = await readState(relay.workspace)
  const worst = OUTCOMES.flatMap(outcome => all.find(told => told.outcome === outcome) ?? [])[0]
  if (worst === undefined) return
  const failures = worst.outcome === 'failed' ? state.failures + 1 : 0
  const next = schedule === undefined ? null : nextRound(schedule, clock.now(), began, failures).toISOString()
  const text = all.map(told => (all.length === 1 ? told.text : `${told.site}: ${told.text}`)).join('; ')
  await keepState(relay.workspace, { ...state, failures, next, last: { ...times, outcome: worst.outcome, text, code: worst.code } })
  for (const { site, ...told } of all) report({ type: 'round', site, ...told, began: times.began, next })
}

/** What a round of several sites came to is the first of these that one of them came to. */
const OUTCOMES = ['failed', 'waiting', 'dropped', 'unchanged'] as const satisfies RelayReport['outcome'][]

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
  const { deliveries, workspace } = deps.relay
  while (!deps.signal.aborted) {
    const left = time.getTime() - deps.clock.now().getTime()
    if (left <= 0) return
    const open = []
    for (const delivery of deliveries) if ((await readState(delivery.folder)).waiting.length > 0) open.push(delivery)
    await pause(open.length > 0 ? Math.min(left, OUTBOX_LOOK_MS) : Math.min(left, MOST_PAUSE_MS), undefined, { signal: deps.signal }).catch(() => undefined)
    for (const delivery of open) {
      if (!deps.signal.aborted) await dropSigned({ ...deps, delivery, workspace }).catch((failure: unknown) => deps.say(`the outbox ${delivery.outbox} could not be looked at: ${asDrydockError(failure).message}`))
    }
  }
}
