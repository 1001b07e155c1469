import type { Outcome } from '../../../../appliance/main/outside/relay/delivery.ts'
import { relayRound, type RoundDeps } from '../../../../appliance/main/outside/relay/round.ts'

/** A round of a relay with one site. */
export async function outcomeOfRound(deps: RoundDeps): Promise<Outcome> {
  const [result] = await relayRound(deps)
  if (result === undefined) throw new TypeError('expected a site in the relay, found none')
  if ('failure' in result) throw result.failure
  return result.outcome
}
