/**
 * Kills an importing process at random instants, again and again, and looks after each kill whether the mirrors serve exactly what they served
 * before or exactly what the bundle brings, and at the end whether the import came to the end that it has without a kill.
 *
 *     node test/crash/random-kills.ts --kills 1000 --seed 1 [--part 1/4] [--world engine|up|both] [--errors]
 *
 * The same seed makes the same decisions; where they fall depends on the machine, so a run prints which step each kill hit.
 * With --errors system calls that write fail (EIO, ENOSPC) instead of killing.
 * Parts of one seed are different trials: `--part 1/4` … `--part 4/4` in four runs are the 1,000 kills.
 */
import { parseArgs } from 'node:util'
import { seeded } from '../appliance/plan/prng.ts'
import { engineWorld } from './engine-world.ts'
import type { Kill } from './launch.ts'
import { leftovers, markOf, openStep, servedBy } from './served.ts'
import { upWorld } from './up-world.ts'
import type { Ending, Run, World } from './world.ts'

export type Tally = { kills: number; trials: number; starts: number; phases: Map<string, number>; by: Map<string, number>; faults: string[] }

/** More would tell nothing new. */
const FAULTS_KEPT = 10

/** After so many kills of one import it is left to end. */
const KILLS_OF_ONE = 12

/** System calls of one thread in a whole import, roughly; a kill that is never reached is none. */
const CALLS_OF_ONE = { sync: 70, name: 14, write: 260 } as const

export async function randomKills(world: World, options: { kills: number; seed: number; part?: number; parts?: number; errors?: boolean; say?: (line: string) => void }): Promise<Tally> {
  const { kills, seed, part = 1, parts = 1, errors = false, say = () => undefined } = options
  const tally: Tally = { kills: 0, trials: 0, starts: 0, phases: new Map(), by: new Map(), faults: [] }
  const whole = new Map<string, Whole>()
  for (const subject of world.cases) whole.set(subject.name, await clean(world, subject))
  for (let trial = part - 1; tally.kills < kills && tally.faults.length < FAULTS_KEPT; trial += parts) {
    const random = seeded(seed * 100_003 + trial)
    const subject = world.cases[trial % world.cases.length]!
    const expected = whole.get(subject.name)!
    const fault = await oneTrial(world, { subject, upload: random() < 0.5 }, expected, random, tally, { most: kills, errors })
    tally.trials++
    if (fault !== undefined) {
      tally.faults.push(`trial ${trial} (${subject.name}): ${fault}`)
      say(tally.faults.at(-1)!)
    }
    if (tally.trials % 25 === 0) say(`${tally.kills} kills in ${tally.trials} imports, ${tally.faults.length} faults`)
  }
  return tally
}

type Whole = { before: string; after: string; ending: Ending; milliseconds: number }

/** The same import without a kill: both states that are allowed, and how long it takes. */
async function clean(world: World, subject: World['cases'][number]): Promise<Whole> {
  world.reset()
  const before = servedBy(world.data).hash
  const began = performance.now()
  const { ending, said } = await world.run({ subject, upload: false })
  const milliseconds = performance.now() - began
  if (ending?.state !== subject.ends) throw new Error(`without any kill ${subject.name} ends ${ending?.state}: ${said}`)
  return { before, after: servedBy(world.data).hash, ending, milliseconds }
}

async function oneTrial(world: World, trial: Parameters<World['run']>[0], expected: Whole, random: () => number, tally: Tally, { most, errors }: { most: number; errors: boolean }): Promise<string | undefined> {
  world.reset()
  let mark = markOf(world.marks)
  let isNew = false
  const history: string[] = []
  for (let kills = 0; ; ) {
    const kill = kills < KILLS_OF_ONE && tally.kills < most && (kills === 0 || random() < 0.85) ? (errors ? failing(random) : chosen(random, expected.milliseconds)) : undefined
    tally.starts++
    const run = await world.run(trial, kill)
    const served = look(() => servedBy(world.data).hash)
    if (served !== expected.before && served !== expected.after) return `${history.join(', ')}: serves neither the old nor the new: ${served}`
    if (isNew && served !== expected.after) return `${history.join(', ')}: went back to the old`
    isNew ||= served === expected.after && expected.after !== expected.before
    const now = markOf(world.marks)
    if (now < mark) return `${history.join(', ')}: the mark fell from ${mark} to ${now}`
    mark = now
    if (run.killed || (kill !== undefined && 'error' in kill)) {
      kills++
      tally.kills++
      const phase = run.wasReady ? openStep(world.data) : `start, then ${openStep(world.data)}`
      count(tally.phases, run.killed ? phase : endOf(run))
      count(tally.by, kill === undefined || !('call' in kill) ? 'time' : `${kill.error ?? ''} ${kill.call}`.trim())
      history.push(`${phase} (${JSON.stringify(kill)})`)
      continue
    }
    // The call was one of the confined process: the import has failed, and a person takes it up again.
    if (kill !== undefined && run.ending?.state === 'failed' && run.ending.error?.code === 'DD-IMPORT-011') {
      kills++
      tally.kills++
      count(tally.phases, 'the confined process alone')
      count(tally.by, 'call' in kill ? kill.call : 'time')
      history.push(`the confined process (${JSON.stringify(kill)})`)
      continue
    }
    const fault = atTheEnd(world, trial.subject, expected, served, run.ending)
    return fault === undefined ? undefined : `${[...history, ...(kill === undefined ? [] : [`the last start with ${JSON.stringify(kill)}`])].join(', ')}: ${fault}\n${run.said}`
  }
}

function atTheEnd(world: World, { ends }: World['cases'][number], expected: Whole, served: string, ending: Ending | undefined): string | undefined {
  if (ending === undefined) return 'the process ended by itself before the import did'
  if (ending.state !== ends) return `ends ${ending.state}: ${ending.error?.code} ${ending.error?.message}`
  if (served !== expected.after) return 'has ended and serves the old'
  if (markOf(world.marks) !== (ends === 'imported' ? 2 : 1)) return `the mark stands at ${markOf(world.marks)}`
  if (ending.receipt !== expected.ending.receipt) return `the receipt says ${ending.receipt}`
  if (ending.promotions !== expected.ending.promotions) return `it was told ${ending.promotions} times that it is served`
  if (ending.audit !== null) return `the audit log: ${ending.audit}`
  const left = leftovers(world.data)
  return left.length === 0 ? undefined : `leaves ${left.join(', ')}`
}

function chosen(random: () => number, milliseconds: number): Kill {
  const dice = random()
  if (dice < 0.1) return { after: random() * milliseconds, from: 'spawn' }
  if (dice < 0.5) return { after: random() * milliseconds * 0.6, from: 'ready' }
  const call = dice < 0.7 ? 'sync' : dice < 0.85 ? 'name' : 'write'
  return { call, count: 1 + Math.floor(random() * CALLS_OF_ONE[call]) }
}

/** A disk that fails instead of a kill: one call, or every one from then on. */
function failing(random: () => number): Kill {
  const call = (['sync', 'name', 'write'] as const)[Math.floor(random() * 3)]!
  return { call, count: 1 + Math.floor(random() * CALLS_OF_ONE[call]), error: random() < 0.5 ? 'EIO' : 'ENOSPC', always: random() < 0.5 }
}

function endOf({ ending, said }: Run): string {
  return ending === undefined ? `stopped: ${/DD-[A-Z]+-\d+/.exec(said)?.[0] ?? said.trim().split('\n').find(line => /Error|error/.test(line))?.slice(0, 120) ?? 'without a word'}` : `${ending.state} ${ending.error?.code ?? ''}`.trim()
}

function look(served: () => string): string {
  try {
    return served()
  } catch (failure) {
    return String(failure)
  }
}

function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1)
}

export function report(world: World['name'], tally: Tally, seed: number, seconds: number): string {
  const rows = [...tally.phases].toSorted(([, a], [, b]) => b - a).map(([phase, hits]) => `  ${String(hits).padStart(5)}  ${phase}`)
  const by = [...tally.by].map(([kind, hits]) => `${hits} by ${kind}`).join(', ')
  return [`${world}: ${tally.kills} kills (${by}) in ${tally.trials} imports and ${tally.starts} starts, seed ${seed}, ${seconds.toFixed(0)} s, ${tally.faults.length} faults`, ...rows, ...tally.faults].join('\n')
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { kills: { type: 'string', default: '1000' }, seed: { type: 'string', default: '1' }, part: { type: 'string', default: '1/1' }, world: { type: 'string', default: 'both' }, errors: { type: 'boolean', default: false } } })
  const [part = 1, parts = 1] = values.part.split('/').map(Number)
  const worlds = values.world === 'both' ? (['engine', 'up'] as const) : [values.world === 'up' ? ('up' as const) : ('engine' as const)]
  for (const name of worlds) {
    const began = performance.now()
    const world = name === 'up' ? await upWorld() : await engineWorld()
    try {
      const kills = Math.ceil(Number(values.kills) / parts / worlds.length)
      const tally = await randomKills(world, { kills, seed: Number(values.seed), part, parts, errors: values.errors, say: line => process.stderr.write(`${name}: ${line}\n`) })
      process.stdout.write(`${report(name, tally, Number(values.seed), (performance.now() - began) / 1000)}\n`)
      if (tally.faults.length > 0) process.exitCode = 1
    } finally {
      await world.close()
    }
  }
}
