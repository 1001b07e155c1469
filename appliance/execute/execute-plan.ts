import { asDrydockError, type DrydockError } from '../core/error.ts'
import { uuidv7 } from '../core/ids.ts'
import type { Plan, Step } from '../model/plan.ts'
import { eachBounded } from './bounded.ts'
import { STEP_TIMEOUT_MS, STEPS_AT_ONCE } from './limits.ts'
import type { Effects } from './ports.ts'
import { STEP_EFFECTS, type StepDone } from './step-effects.ts'
import { within } from './within.ts'

export type StepResult = { step: Step } & ({ outcome: 'done' } | { outcome: 'not-yet'; on: string } | { outcome: 'failed'; error: DrydockError })

/**
 * One attempt at a plan. Behaviour does not live here: each step is one idempotent effect, journaled, and what fails or is "not yet" is
 * only reported, because the next plan is made from what is then to be seen. A failed step does not stop the others.
 */
export async function executePlan(plan: Plan, effects: Effects): Promise<StepResult[]> {
  const results: StepResult[] = []
  await eachBounded(plan.steps, STEPS_AT_ONCE, async step => {
    if (effects.signal.aborted) return
    results.push({ step, ...(await attempt(step, plan, effects)) })
  })
  return results
}

async function attempt(step: Step, plan: Plan, effects: Effects): Promise<StepDone | { outcome: 'failed'; error: DrydockError }> {
  let done: StepDone = { outcome: 'done' }
  try {
    await effects.journal.step(`${step.kind} ${subjectOf(step, plan)} ${uuidv7(effects.clock.now())}`, async () => {
      done = await within(effects.signal, STEP_TIMEOUT_MS, async signal => await effectOf(step, plan, { ...effects, signal }))
      return null
    })
    return done
  } catch (failure) {
    return { outcome: 'failed', error: asDrydockError(failure) }
  }
}

function effectOf<K extends Step['kind']>(step: Extract<Step, { kind: K }>, plan: Plan, effects: Effects): Promise<StepDone> {
  const effect: (step: Extract<Step, { kind: K }>, plan: Plan, effects: Effects) => Promise<StepDone> = STEP_EFFECTS[step.kind as K]
  return effect(step, plan, effects)
}

function subjectOf(step: Step, plan: Plan): string {
  return 'node' in step ? step.node : plan.pool
}
