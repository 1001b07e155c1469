import { canonicalJson } from '../../../../bundles/format/canonical-json.ts'
import { collect } from '../../../../bundles/collect/collect.ts'
import type { CollectProgress } from '../../../../bundles/collect/progress.ts'
import { digestOf } from '../../../core/digest.ts'
import { deliver, prepared, type DeliveryDeps, type Outcome } from './delivery.ts'
import type { Relay } from './relay-file.ts'

export type RoundDeps = Omit<DeliveryDeps, 'delivery' | 'workspace'> & {
  relay: Relay
  /** What programs that fetch are started with; holds the proxy. */
  environment: NodeJS.ProcessEnv
  progress: (progress: CollectProgress) => void
}

/** What a round came to at one site. */
export type SiteResult = { site: string } & ({ outcome: Outcome } | { failure: unknown })

/**
 * One round: finish what a former one left, then collect once → for each site build → sign → judge → drop. What is dropped was judged as the
 * appliance will judge it. Every step can be interrupted: the next round takes the same sequence again until the bundle is whole, and
 * goes on with a bundle that is whole. A site that fails stops no other one.
 * @throws what keeps every site from its bundle: a collect that failed, or the first site's fault when no site is ready
 */
export async function relayRound(deps: RoundDeps): Promise<SiteResult[]> {
  const { relay } = deps
  const sites = []
  for (const delivery of relay.deliveries) sites.push({ site: delivery.site, ready: await attempt(deps.signal, async () => await prepared({ ...deps, delivery, workspace: relay.workspace })) })
  const failures = sites.flatMap(({ ready }) => ('failure' in ready ? [ready.failure] : []))
  if (failures.length === sites.length) throw failures[0]
  const { lock } = await collect({ collection: relay.collection, workspace: relay.workspace, environment: deps.environment, clock: deps.clock, signal: deps.signal, progress: deps.progress })
  const content = digestOf(canonicalJson(lock.items))
  const results: SiteResult[] = []
  for (const { site, ready } of sites) {
    const result = 'failure' in ready ? ready : await attempt(deps.signal, async () => await deliver(ready.value, content))
    results.push({ site, ...('failure' in result ? result : { outcome: result.value }) })
  }
  return results
}

/** An interrupted round is no site's failure. */
async function attempt<T>(signal: AbortSignal, work: () => Promise<T>): Promise<{ value: T } | { failure: unknown }> {
  try {
    return { value: await work() }
  } catch (failure) {
    if (signal.aborted) throw failure
    return { failure }
  }
}
