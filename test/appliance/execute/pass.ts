import { silentLog } from '../../../appliance/core/log.ts'
import { executePlan, type StepResult } from '../../../appliance/execute/execute-plan.ts'
import { createFailureMemory } from '../../../appliance/execute/failure-memory.ts'
import { createMemoryLedger } from '../../../appliance/execute/memory-ledger.ts'
import { observe, type Observer } from '../../../appliance/execute/observe.ts'
import { createSightings } from '../../../appliance/execute/sightings.ts'
import type { Plan, PlanInput } from '../../../appliance/model/plan.ts'
import { check } from '../../../appliance/plan/check.ts'
import { plan } from '../../../appliance/plan/plan.ts'
import type { World } from './world.ts'

/** The reconciler's loop by hand: one look and one attempt, when the test says so. A new one is a restarted appliance. */
export function passes(world: World) {
  const signal = new AbortController().signal
  const observer: Observer = {
    deps: world.deps,
    sightings: createSightings({ clock: world.clock, log: silentLog, signal }),
    failures: createFailureMemory(world.registry),
    ledger: createMemoryLedger(),
    images: new Map(),
    startedAt: world.clock.now().getTime(),
  }
  const ci = world.deps.ci.get('jenkins')
  return async (name: string): Promise<{ input: PlanInput; made: Plan; results: StepResult[] }> => {
    const pool = world.pools.get(name)
    if (pool === undefined) throw new Error(`no pool ${name}`)
    const input = await observe(pool, observer, performance.now())
    const made = plan(input)
    check(made, input)
    const results = await executePlan(made, { ...world.deps, signal, ciOf: () => ci })
    for (const { step } of results) {
      const record = step.kind === 'set-phase' && step.phase === 'gone' ? world.registry.get(step.node) : undefined
      if (record !== undefined) observer.failures.remember(record)
    }
    return { input, made, results }
  }
}
