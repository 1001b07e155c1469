import { DrydockError } from '../../appliance/core/error.ts'
import type { AptWant, AptWants } from './apt/collect-apt.ts'
import type { Collection } from './collection.ts'
import type { NpmWants } from './npm/collect-npm.ts'
import type { PypiWants } from './pypi/collect-pypi.ts'
import { manylinux, type PythonTarget } from './pypi/targets.ts'
import type { FoundPack } from './roles/role-packs.ts'

/** What each kind is to collect: the collection's own wishes and what the packs need, joined. Pure. `apt` has one entry an architecture. */
export type Wants = { apt: AptWants[]; npm: NpmWants | undefined; pypi: PypiWants | undefined }

export function wantsOf(collection: Collection, packs: readonly FoundPack[], folder: string): Wants {
  const architectures = architecturesOf(collection)
  const apt = architectures.flatMap(arch => aptWants(collection, packs, arch) ?? [])
  return { apt, npm: npmWants(collection, architectures, folder), pypi: pypiWants(collection, packs, architectures) }
}

type Arch = NonNullable<Collection['arch']>

/** The first is the one that counts where an architecture is left open. */
export function architecturesOf({ arch, architectures }: Pick<Collection, 'arch' | 'architectures'>): readonly [Arch, ...Arch[]] {
  const [first = 'amd64', ...rest] = [...new Set([...(arch === undefined ? [] : [arch]), ...(architectures ?? [])])]
  return [first, ...rest]
}

function aptWants(collection: Collection, packs: readonly FoundPack[], arch: Arch): AptWants | undefined {
  const bases = packs.flatMap(({ pack }) => (pack.kind === 'Base' && pack.arch === arch ? [pack] : []))
  const roles = packs.flatMap(({ pack }) => (pack.kind === 'Role' && pack.arch === arch ? [pack] : []))
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
    for (const wishes of packageRounds(own)) sets.push({ what: `the collection's packages${name}`, packages: [...below, ...wishes], bootstrap })
  }
  if (sets.length === 0) return undefined
  const sources = collection.apt?.sources ?? 'machine'
  const everyBase = packs.flatMap(({ pack }) => (pack.kind === 'Base' ? [pack] : []))
  const suites = collection.apt?.suites ?? [...new Set(everyBase.flatMap(({ suite }) => [suite, `${suite}-updates`, `${suite}-security`]))]
  if (suites.length === 0 && sources === 'machine') {
    throw new DrydockError('DD-CORE-009', 'expected apt.suites in a collection with packages and no base, found none', 'add apt: { suites: [bookworm, bookworm-updates, bookworm-security] }, or a base to roles', { at: '/apt/suites' })
  }
  return { arch, sources, suites, sets }
}

/** What is chosen by suite or version stands apart from the rest: two choices of one name are two wishes, and each brings its own closure. */
function packageRounds(wishes: readonly string[]): string[][] {
  const plain = wishes.filter(wish => !/[/=]/.test(wish))
  return [...(plain.length === 0 ? [] : [plain]), ...wishes.filter(wish => /[/=]/.test(wish)).map(wish => [wish])]
}

function npmWants({ npm }: Collection, architectures: readonly Arch[], folder: string): NpmWants | undefined {
  if (npm === undefined) return undefined
  const platforms = npm.platforms ?? architectures.map(arch => ({ os: 'linux', cpu: arch === 'amd64' ? 'x64' : 'arm64', libc: 'glibc' }))
  return { projects: npm.projects ?? [], packages: npm.packages ?? [], platforms, folder }
}

function pypiWants({ pypi }: Collection, packs: readonly FoundPack[], architectures: readonly [Arch, ...Arch[]]): PypiWants | undefined {
  const own = pypi?.requirements ?? []
  const { requirementFiles = [], projects = [], allowYanked = false } = pypi ?? {}
  const targets = pythonTargets(pypi, architectures).map(({ arch, ...target }) => {
    const pinned = packs.flatMap(({ pack }) => (pack.kind === 'Role' && pack.arch === arch ? (pack.payload.pip ?? []) : []))
    return { ...target, requirements: [...new Set([...own, ...pinned])] }
  })
  if (targets.every(({ requirements }) => requirements.length === 0) && requirementFiles.length === 0 && projects.length === 0) return undefined
  return { targets, requirements: own, requirementFiles, projects, allowYanked }
}

function pythonTargets(pypi: Collection['pypi'], architectures: readonly [Arch, ...Arch[]]): (PythonTarget & { arch: Arch })[] {
  const python = pypi?.python ?? '3.11'
  const asked = pypi?.targets ?? (pypi?.platforms === undefined ? architectures.map(arch => ({ python, arch })) : [{ python, platforms: pypi.platforms }])
  return asked.map(({ python: version, arch = architectures[0], platforms = manylinux(arch), implementation = 'cp', abis = [] }: Target) => ({ arch, python: version, platforms, implementation, abis }))
}

type Target = NonNullable<NonNullable<Collection['pypi']>['targets']>[number]

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
