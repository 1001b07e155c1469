import type { Digest } from '../core/digest.ts'
import type { Lock } from '../model/lock.ts'

/** Everything that an image of this lock holds, by digest, with the name that people know it by. */
export function lockContents({ base, roles }: Lock): { digest: Digest; name: string }[] {
  const debs = [base.kernel, ...base.debs, ...roles.flatMap(role => role.debs)].map(({ digest, name, version }) => ({ digest, name: `${name} ${version}` }))
  const files = roles.flatMap(role => [...role.wheels, ...role.files.map(({ from }) => from)]).map(({ digest, name }) => ({ digest, name }))
  return [{ digest: base.pack, name: `base ${base.name} ${base.version}` }, ...roles.map(({ role, version, pack }) => ({ digest: pack, name: `role ${role} ${version}` })), ...debs, ...files]
}
