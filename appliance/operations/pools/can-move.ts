import type { Item } from '../../../bundles/format/item.ts'
import type { PoolRecord } from '../../model/pool.ts'

/** `linux-perf-ci can move to numpy-1.26.4`: the pools whose newest spec names a role that these items bring in another version. */
export function poolsThatCanMove(pools: readonly PoolRecord[], items: readonly Item[]): string[] {
  // Images are for amd64, whose packs have no variant.
  const packs = items.filter(item => item.kind === 'role' && item.variant === undefined)
  return pools.flatMap(pool => {
    const spec = pool.revisions.find(revision => revision.revision === pool.head)?.spec
    const wanted = [...(spec?.roles ?? []), ...(spec === undefined ? [] : [spec.base])]
    const moves = packs.filter(pack => wanted.some(role => role.startsWith(`${pack.name}-`) && role !== `${pack.name}-${pack.version}`))
    return moves.length === 0 ? [] : [`${pool.name} can move to ${moves.map(pack => `${pack.name}-${pack.version}`).join(', ')}`]
  })
}
