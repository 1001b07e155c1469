import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import type { BasePack } from '../../bundles/format/role.ts'
import { digestOf, type Digest } from '../core/digest.ts'
import type { Lock, LockedRole } from '../model/lock.ts'
import { INITRD_MODULES } from './baker.ts'
import { roleMatches } from './role-word.ts'

/** Keys of everything that is kept between bakes. Two locks share a layer exactly when they share its key. */
export type LayerKeys = { base: Digest; boot: Digest; roles: Digest[]; last: Digest }

/**
 * A role's layer stands on the base and on the roles that it requires (their Python compiles its modules), not on its other neighbours: so
 * changing numpy leaves cmake's layer alone, wherever it stands. The last layer stands on all.
 * @param requires for each role of the lock, what its pack requires.
 */
export function layerKeys(lock: Lock, base: BasePack, requires: readonly (readonly string[])[], steps: Digest): LayerKeys {
  const common = { baker: lock.baker, arch: lock.arch, sourceDateEpoch: lock.base.sourceDateEpoch, steps }
  const baseKey = digestOf(canonicalJson({ ...common, layer: 'base', suite: base.suite, debs: lock.base.debs }))
  const roles: Digest[] = []
  lock.roles.forEach((role, index) => {
    const standsOn = requiredRoles(lock, requires, index).map(below => roles[below]!)
    const { debs, wheels, files } = role
    roles.push(digestOf(canonicalJson({ ...common, layer: `${role.role}-${role.version}`, base: baseKey, standsOn, debs, wheels, files })))
  })
  return {
    base: baseKey,
    boot: digestOf(canonicalJson({ ...common, layer: 'boot', base: baseKey, kernel: lock.base.kernel, agent: lock.agent, modules: INITRD_MODULES })),
    roles,
    last: digestOf(canonicalJson({ ...common, layer: 'last', base: baseKey, roles, agent: lock.agent, settings: settingsOf(lock) })),
  }
}

/** Places in the lock of the roles that this one needs below it, with what those need, lowest first. */
export function requiredRoles(lock: Lock, requires: readonly (readonly string[])[], index: number): number[] {
  const needed = new Set<number>()
  const visit = (at: number): void => {
    for (const word of requires[at] ?? []) {
      const below = lock.roles.findIndex((role, place) => place < index && roleMatches(word, role))
      if (below >= 0 && !needed.has(below)) {
        needed.add(below)
        visit(below)
      }
    }
  }
  visit(index)
  return [...needed].sort((a, b) => a - b)
}

/** What the agent reads in the image: the environment of jobs and the commands that prove the roles. */
export function settingsOf(lock: Lock): { environment: Record<string, string>; verify: { role: string; run: string; expect: string }[] } {
  const environment: Record<string, string> = {}
  for (const role of lock.roles) Object.assign(environment, role.env)
  const ofRole = (role: Pick<LockedRole, 'version' | 'verify'>, name: string): { role: string; run: string; expect: string }[] =>
    role.verify.map(({ run, expect }) => ({ role: `${name}-${role.version}`, run, expect }))
  return { environment, verify: [...ofRole(lock.base, lock.base.name), ...lock.roles.flatMap(role => ofRole(role, role.role))] }
}
