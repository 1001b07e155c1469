/** `python-3.11` in a spec: role `python`, any version 3.11 or 3.11.x. `cmake`: any version. A role's own name may hold dashes and digits. */
export function roleMatches(word: string, role: { role: string; version: string }): boolean {
  if (word === role.role) return true
  if (!word.startsWith(`${role.role}-`)) return false
  const wanted = word.slice(role.role.length + 1)
  return role.version === wanted || role.version.startsWith(`${wanted}.`) || role.version.startsWith(`${wanted}-`)
}
