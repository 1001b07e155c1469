import { DrydockError } from '../../appliance/core/error.ts'
import type { AptWant, AptWants } from './apt/collect-apt.ts'
import type { Collection } from './collection.ts'
import type { NpmWants } from './npm/collect-npm.ts'
import type { PypiWants } from './pypi/collect-pypi.ts'
import type { FoundPack } from './roles/role-packs.ts'

/** What each kind is to collect: the collection's own wishes and what the packs need, joined. Pure. */
export type Wants = { apt: AptWants | undefined; npm: NpmWants | undefined; pypi: PypiWants | undefined }

export function wantsOf(collection: Collection, packs: readonly FoundPack[], folder: string): Wants {
  const arch = collection.arch ?? 'amd64'
  return { apt: aptWants(collection, packs, arch), npm: npmWants(collection, arch, folder), pypi: pypiWants(collection, packs, arch) }
}

function aptWants(collection: Collection, packs: readonly FoundPack[], arch: string): AptWants | undefined {
  const bases = packs.flatMap(({ pack }) => (pack.kind === 'Base' ? [pack] : []))
  const roles = packs.flatMap(({ pack }) => (pack.kind === 'Role' ? [pack] : []))
  const own = collection.apt?.packages ?? []
  const foundations = bases.length > 0 ? bases : [undefined]
  const sets: AptWant[] = []
  for (const base of foundations) {
    const name = base === undefined ? '' : ` on ${base.base}-${base.version}`
    const bootstrap = base !== undefined
    const below = base?.packages ?? []
    if (base !== undefined) {
      // Essential alone is what mmdebstrap starts with, and it resolves otherwise than with the base's packages (usrmerge, usr-is-merged).
      sets.push({ what: `essential packages${name}`, packages: [], bootstrap }, { what: `base ${base.base}-${base.version}`, packages: below, bootstrap })
      // The kernel stands apart: it is unpacked, never installed with the rest.
      sets.push({ what: `kernel${name}`, packages: [...below, base.kernel], bootstrap })
    }
    for (const role of roles) {
      const packages = role.payload.apt ?? []
      if (packages.length > 0) sets.push({ what: `role ${role.role}-${role.version}${name}`, packages: [...below, ...packages], bootstrap })
    }
    if (own.length > 0) sets.push({ what: `the collection's packages${name}`, packages: [...below, ...own], bootstrap })
  }
  if (sets.length === 0) return undefined
  const sources = collection.apt?.sources ?? 'machine'
  const suites = collection.apt?.suites ?? [...new Set(bases.flatMap(({ suite }) => [suite, `${suite}-updates`, `${suite}-security`]))]
  if (suites.length === 0 && sources === 'machine') {
    throw new DrydockError('DD-CORE-009', 'expected apt.suites in a collection with packages and no base, found none', 'add apt: { suites: [bookworm, bookworm-updates, bookworm-security] }, or a base to roles', { at: '/apt/suites' })
  }
  return { arch, sources, suites, sets }
}

function npmWants({ npm }: Collection, arch: string, folder: string): NpmWants | undefined {
  if (npm === undefined) return undefined
  return { projects: npm.projects ?? [], packages: npm.packages ?? [], platforms: npm.platforms ?? [{ os: 'linux', cpu: arch === 'amd64' ? 'x64' : 'arm64', libc: 'glibc' }], folder }
}

function pypiWants({ pypi }: Collection, packs: readonly FoundPack[], arch: string): PypiWants | undefined {
  const pinned = packs.flatMap(({ pack }) => (pack.kind === 'Role' ? (pack.payload.pip ?? []) : []))
  const requirements = [...new Set([...(pypi?.requirements ?? []), ...pinned])]
  const requirementFiles = pypi?.requirementFiles ?? []
  if (requirements.length === 0 && requirementFiles.length === 0) return undefined
  return { python: pypi?.python ?? '3.11', platforms: pypi?.platforms ?? manylinux(arch === 'amd64' ? 'x86_64' : 'aarch64'), requirements, requirementFiles }
}

/** Newest first, as pip prefers them (PEP 600): up to glibc 2.36, which is Debian 12's. */
function manylinux(machine: string): string[] {
  const tags: string[] = []
  for (let minor = 36; minor >= (machine === 'x86_64' ? 5 : 17); minor--) {
    tags.push(`manylinux_2_${minor}_${machine}`)
    const legacy = { 17: '2014', 12: '2010', 5: '1' }[minor]
    if (legacy !== undefined) tags.push(`manylinux${legacy}_${machine}`)
  }
  return [...tags, `linux_${machine}`]
}

/** @throws DD-COLLECT-009 when a role unpacks a file that the collection does not bring. */
export function checkRoleFiles(packs: readonly FoundPack[], served: ReadonlySet<string>): void {
  for (const { pack } of packs) {
    if (pack.kind !== 'Role') continue
    const missing = pack.payload.files?.find(file => !served.has(file.path.replace(/^\/+/, '')))
    if (missing !== undefined) {
      throw new DrydockError('DD-COLLECT-009', `expected file ${missing.path} for role ${pack.role}-${pack.version}, found it in no files entry`, 'add the file under files in the collection')
    }
  }
}
