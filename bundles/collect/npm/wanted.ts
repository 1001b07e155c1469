import { DrydockError } from '../../../appliance/core/error.ts'

/** One version that a lock file names. `integrity` is the lock's, when it has one that is about the registry's tarball. */
export type NpmWant = { name: string; version: string; integrity: string | undefined; tags: string[] }

/** Collects what a lock file names; one that gives two integrities for one version contradicts itself. */
export function wantedVersions(what: string): { add(want: NpmWant): void; all(): NpmWant[] } {
  const wants = new Map<string, NpmWant>()
  return {
    add(want) {
      const key = `${want.name}@${want.version}`
      const before = wants.get(key)
      if (before?.integrity !== undefined && want.integrity !== undefined && before.integrity !== want.integrity) {
        throw new DrydockError('DD-COLLECT-004', `expected one integrity for ${key} in ${what}, found two`, 'make the lock file again')
      }
      wants.set(key, { ...want, integrity: before?.integrity ?? want.integrity })
    },
    all: () => [...wants.values()],
  }
}

/** Registries keep their tarballs under `NAME/-/`; anything else is a lone file, a git archive or a disk. */
export function isRegistryTarball(resolved: string): boolean {
  return /^https?:.*\/-\//.test(resolved)
}

export function notFromRegistry(name: string, what: string, found: string): DrydockError {
  return new DrydockError(
    'DD-COLLECT-007',
    `expected ${name} in ${what} to come from a registry, found ${found.slice(0, 200)}`,
    'depend on a published version: what comes from git, a folder or a lone tarball cannot be mirrored as a package',
  )
}
