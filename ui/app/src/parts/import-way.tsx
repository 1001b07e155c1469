import type { ReactNode } from 'react'
import type { Import } from '../api.ts'

/** The states a good bundle goes through, in order. */
const WAY = ['found', 'verifying', 'verified', 'staging', 'scanned', 'awaiting-approval', 'promoting', 'imported'] as const satisfies readonly Import['state'][]

/** States off that way, and behind which step of it they come. */
const ENDS: Partial<Record<Import['state'], number>> = { refused: 2, parked: 2, quarantined: 4, rejected: 5, cancelled: 5, failed: 3 }

/** A trust or recall bundle has no payload: it is neither staged nor scanned. */
const WITHOUT_PAYLOAD = WAY.filter(step => step !== 'staging' && step !== 'scanned')
const ENDS_WITHOUT_PAYLOAD: Partial<Record<Import['state'], number>> = { ...ENDS, rejected: 3, cancelled: 3 }

/** The states as a line of steps; one that leaves the way stands at its end. */
export function ImportWay({ state, payload }: { state: Import['state']; payload: boolean }): ReactNode {
  const way: readonly string[] = payload ? WAY : WITHOUT_PAYLOAD
  const end = (payload ? ENDS : ENDS_WITHOUT_PAYLOAD)[state]
  const steps = end === undefined ? way : way.slice(0, end)
  const at = way.indexOf(state)
  return (
    <ol className="steps" aria-label="states of the import">
      {steps.map((step, index) => {
        const now = step === state && state !== 'imported'
        return <li key={step} data-now={now} data-past={end !== undefined || at > index || state === 'imported'} aria-current={step === state ? 'step' : undefined}>{step.replaceAll('-', ' ')}</li>
      })}
      {end === undefined ? null : <li data-now="true" data-ended={state !== 'parked'} aria-current="step">{state}</li>}
    </ol>
  )
}
