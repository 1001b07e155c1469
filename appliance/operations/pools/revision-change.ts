import type { PoolSpec } from '../../model/pool.ts'

/** `python-3.11` is the role `python` in version `3.11`: the version begins with a digit, behind the last hyphen. `cmake` has none. */
function splitRole(text: string): { role: string; version: string } {
  const { role = text, version = '' } = /^(?<role>.+)-(?<version>[0-9][^-]*)$/.exec(text)?.groups ?? {}
  return { role, version }
}

type RoleChange = { role: string; from: string | null; to: string | null }

function roleChanges(before: readonly string[], after: readonly string[]): RoleChange[] {
  const from = new Map(before.map(splitRole).map(({ role, version }) => [role, version]))
  const to = new Map(after.map(splitRole).map(({ role, version }) => [role, version]))
  const changes: RoleChange[] = []
  for (const [role, version] of to) {
    const old = from.get(role) ?? null
    if (old !== version) changes.push({ role, from: old, to: version })
  }
  for (const [role, version] of from) if (!to.has(role)) changes.push({ role, from: version, to: null })
  return changes
}

/** Fields of the spec other than roles that differ, with both values. Nested ones by their path: `hardware.cpus`. */
export function fieldChanges(before: PoolSpec | null, after: PoolSpec): { field: string; from: unknown; to: unknown }[] {
  const from = new Map(before === null ? [] : leaves(before))
  const to = new Map(leaves(after))
  return [...new Set([...from.keys(), ...to.keys()])]
    .filter(field => JSON.stringify(from.get(field)) !== JSON.stringify(to.get(field)))
    .map(field => ({ field, from: from.get(field) ?? null, to: to.get(field) ?? null }))
}

function leaves(spec: PoolSpec): [string, unknown][] {
  const { roles: _, ...rest } = spec
  return Object.entries(rest).flatMap(([field, value]): [string, unknown][] =>
    typeof value === 'object' && !Array.isArray(value) ? Object.entries(value).map(([inner, leaf]): [string, unknown] => [`${field}.${inner}`, leaf]) : [[field, value]],
  )
}

/** For people: `python 3.10 → 3.11, numpy 1.25.2 → 1.26.0, cmake 3.25 new, size 2 → 4`. */
export function changeText(before: PoolSpec | null, after: PoolSpec): string {
  if (before === null) return `new: ${[after.base, ...after.roles].join(', ')}`
  const roles = roleChanges(before.roles, after.roles).map(({ role, from, to }) => (from === null ? `${named(role, to)} new` : to === null ? `${named(role, from)} removed` : `${role} ${from || 'newest'} → ${to || 'newest'}`))
  const fields = fieldChanges(before, after).map(({ field, from, to }) => `${field} ${shown(from)} → ${shown(to)}`)
  const reordered = roles.length === 0 && before.roles.join() !== after.roles.join() ? ['roles in another order'] : []
  return [...roles, ...reordered, ...fields].join(', ') || 'no change'
}

/** For the line of the event: `python:3.10→3.11 numpy:1.25.2→1.26.0 +cmake:3.25`. */
export function diffText(before: PoolSpec | null, after: PoolSpec): string {
  const roles = roleChanges(before?.roles ?? [], after.roles).map(({ role, from, to }) => (from === null ? `+${named(role, to, ':')}` : to === null ? `-${named(role, from, ':')}` : `${role}:${from || 'newest'}→${to || 'newest'}`))
  const fields = before === null ? [] : fieldChanges(before, after).map(({ field, from, to }) => `${field}:${shown(from)}→${shown(to)}`)
  return [...roles, ...fields].join(' ') || 'none'
}

function named(role: string, version: string | null, between = ' '): string {
  return version === null || version === '' ? role : `${role}${between}${version}`
}

function shown(value: unknown): string {
  return value === null ? 'none' : typeof value === 'string' ? value : JSON.stringify(value)
}

/** Whether nodes made for one spec are wrong for the other, images aside: what they are, not how many or how they are rolled out. */
export function nodesDiffer(before: PoolSpec, after: PoolSpec): boolean {
  return fieldChanges(before, after).some(({ field }) => field !== 'size' && !field.startsWith('rollout.') && field !== 'rollout')
}
