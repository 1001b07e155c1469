import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../appliance/core/clock.ts'
import { digestOf, hexOf, type Digest } from '../../appliance/core/digest.ts'
import { printable } from '../../appliance/core/printable.ts'
import { DEFINITIONS } from '../../bundles/format/definitions.ts'
import type { Finding, Scan, ScannerState, ScannerView } from '../../bundles/format/import-record.ts'
import type { Item } from '../../bundles/format/item.ts'
import type { BlobStore } from '../../mirror/store/blobs.ts'
import type { CatalogueView } from '../../mirror/store/format.ts'
import { clamavIsInstalled, clamavVersion, runClamav, tryDefinitions } from './clamav.ts'
import type { ScanConfig, ScannerCommand } from './config.ts'
import { isDefinitions, newestDefinitions, type Loaded } from './definitions.ts'
import { CLAMAV, findingsIn, saidIn, withoutDoubles, type Dismissed, type Said } from './output.ts'
import { runSandboxed, type Sandboxed } from './sandbox.ts'
import { createTurns } from './turns.ts'
import { makeView, usersOf, type Seen, type StagedBlob, type View } from './view.ts'

export type ScanInput = {
  /** A folder of this import alone, on the file system of the staged blobs: they are linked into it. Removed at the end. */
  folder: string
  items: readonly Item[]
  staged: readonly StagedBlob[]
  /** The store with what is staged over it. */
  blobs: Pick<BlobStore, 'blobPath'>
  /** The generation whose definitions are used. */
  view: CatalogueView
  signal: AbortSignal
  looked: (files: number) => void
}

/** Blobs of the store instead of staged ones. */
export type LookInput = Pick<ScanInput, 'folder' | 'view' | 'signal' | 'looked'> & { blobs: readonly StagedBlob[]; users: ReadonlyMap<Digest, Seen>; store: Pick<BlobStore, 'blobPath'> }

/** What one scanner answered. */
type Answer = { scan: Omit<Scan, 'findings'>; code: number; stdout: string }

export type Scanners = {
  /** Every scanner that can be run here, and what it knows. */
  states(view: CatalogueView): Promise<ScannerState[]>
  /**
   * The same with what those of the site say of themselves, and how they are configured; '' of one that cannot be asked (it has no `version`).
   * @param folder for the walls; removed at the end @throws DD-IMPORT-023 when one of them gives no version
   */
  known(view: CatalogueView, folder: string): Promise<ScannerState[]>
  /** All that are known, with why one cannot be run. */
  views(view: CatalogueView): Promise<ScannerView[]>
  /** What stands in the way of a good scan, before any is made: no definitions, old ones. */
  warnings(states: readonly ScannerState[]): Finding[]
  /** @throws DD-IMPORT-023 when one gives no answer: then nothing is known, and nothing is clean */
  scan(input: ScanInput): Promise<{ findings: Finding[]; scans: Scan[] }>
  /** What people say of a finding that they call a false alarm. */
  dismissed: Dismissed
  /** The same over what is here already, behind every import: it begins anew when one wants to be scanned meanwhile. @throws DD-IMPORT-023 */
  look(input: LookInput): Promise<{ view: Pick<View, 'of' | 'unopened'>; answers: { scan: Omit<Scan, 'findings'>; said: Said[] }[] }>
}

/** What a version is asked for in; it has nothing to scan. */
const VERSION_SECONDS = 30
const VERSION_LENGTH = 120

export function createScanners({ config, clock, dismissed = () => undefined }: { config: ScanConfig; clock: Clock; dismissed?: Dismissed }): Scanners {
  const usesClamav = (): boolean => config.clamav === 'auto' && clamavIsInstalled()
  const definitionsIn = (view: CatalogueView): Loaded | null => newestDefinitions(view.find(DEFINITIONS.kind, DEFINITIONS.name), clock.now())

  async function states(view: CatalogueView): Promise<ScannerState[]> {
    const own = config.scanners.map(({ name }): ScannerState => ({ name, version: '' }))
    if (!usesClamav()) return own
    const definitions = definitionsIn(view)
    return [{ name: CLAMAV, version: await clamavVersion(), definitions: definitions === null ? null : withoutFiles(definitions) }, ...own]
  }

  function warnings(known: readonly ScannerState[]): Finding[] {
    const found = known.find(({ name }) => name === CLAMAV)?.definitions
    const warn = (code: string, text: string): Finding[] => [{ severity: 'warning', code, item: CLAMAV, text, claimed: false }]
    if (found === null) return warn('no-definitions', 'not scanned for viruses: ClamAV is installed, but no virus definitions came in a bundle yet')
    if (found !== undefined && found.ageDays > config.clamavMaxAgeDays) return warn('old-definitions', `the virus definitions are ${found.ageDays} days old (${found.version}); at most ${config.clamavMaxAgeDays} are wanted`)
    return []
  }

  /** One after the other: each may want most of the memory. */
  async function answersOf(view: View, input: { view: CatalogueView; blobs: Pick<BlobStore, 'blobPath'>; signal: AbortSignal; looked: (files: number) => void }): Promise<Answer[]> {
    const runs = config.scanners.map(scanner => ({ scanner: scanner.name, run: async () => await runOwn(scanner, view, input.signal) }))
    const definitions = usesClamav() ? definitionsIn(input.view) : null
    if (definitions !== null) {
      const run = async () => ({ version: await clamavVersion(), definitions: withoutFiles(definitions), answer: await runClamav(view, definitions, input.blobs, input) })
      runs.unshift({ scanner: CLAMAV, run })
    }
    const answers: Answer[] = []
    for (const { scanner, run } of runs) {
      const began = performance.now()
      const { answer, ...about } = await run()
      answers.push({ scan: { scanner, ...about, files: view.paths.length, seconds: Math.round((performance.now() - began) / 100) / 10 }, ...answer })
    }
    return answers
  }

  async function scanAll(input: ScanInput): Promise<{ findings: Finding[]; scans: Scan[] }> {
    const view = await makeView(input.folder, input.staged, usersOf(input.items), { purpose: 'import', signal: input.signal })
    const findings: Finding[] = withoutDoubles(view.unopened.flatMap(({ seen, why }) => seen.items.map(({ key, label }) => ({ severity: 'warning' as const, code: 'not-opened', item: key, text: notOpened(`${label} (${seen.blob})`, why), claimed: false }))))
    const scans: Scan[] = []
    for (const { scan, code, stdout } of await answersOf(view, input)) {
      const found = findingsIn(scan.scanner, code, stdout, view, dismissed)
      findings.push(...found)
      scans.push({ ...scan, findings: found.length })
    }
    return { findings, scans }
  }

  async function scanStaged(input: ScanInput): Promise<{ findings: Finding[]; scans: Scan[] }> {
    const tried = await Promise.all(input.items.filter(isDefinitions).map(async (item, k) => await tryDefinitions(item, input.blobs, { folder: join(`${input.folder}-definitions`, String(k)), now: clock.now(), installed: usesClamav(), signal: input.signal })))
    const broken = tried.filter(finding => finding !== undefined)
    const known = await states(input.view)
    const before = [...warnings(known), ...broken]
    if (!known.some(({ definitions }) => definitions !== null)) return { findings: before, scans: [] }
    // All that it brings is here already: it was scanned when it came.
    if (input.staged.length === 0) return { findings: before, scans: known.filter(({ definitions }) => definitions !== null).map(({ name, ...about }) => ({ scanner: name, ...about, files: 0, seconds: 0, findings: 0 })) }
    try {
      const { findings, scans } = await scanAll(input)
      return { findings: [...before, ...findings], scans }
    } finally {
      await rm(input.folder, { recursive: true, force: true })
      await rm(`${input.folder}-definitions`, { recursive: true, force: true })
    }
  }

  const turns = createTurns()

  const stateOf = ({ definitions }: ScannerState): ScannerView['state'] =>
    definitions === undefined ? 'ready' : definitions === null ? 'no definitions' : definitions.ageDays > config.clamavMaxAgeDays ? 'old definitions' : 'ready'

  return {
    states,
    async known(view, folder) {
      const of = new Map<string, string>()
      try {
        await mkdir(join(folder, 'view'), { recursive: true, mode: 0o700 })
        for (const scanner of config.scanners.filter(({ version }) => version !== undefined)) {
          of.set(scanner.name, `${await versionOf(scanner, wallsOf(scanner, { folder, purpose: 'rescan' }))} (drydock.yaml ${hexOf(digestOf(JSON.stringify(scanner))).slice(0, 12)})`)
        }
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
      return (await states(view)).map(state => ({ ...state, version: of.get(state.name) ?? state.version }))
    },
    async views(view) {
      const known = (await states(view)).map((state): ScannerView => ({ ...state, state: stateOf(state), ...(state.definitions === undefined ? {} : { maxAgeDays: config.clamavMaxAgeDays }) }))
      return usesClamav() ? known : [{ name: CLAMAV, version: '', definitions: null, state: config.clamav === 'off' ? 'off' : 'not installed', maxAgeDays: config.clamavMaxAgeDays }, ...known]
    },
    warnings,
    dismissed,
    scan: input => turns.first(async () => await scanStaged(input)),
    async look({ folder, blobs, users, store, ...input }) {
      try {
        return await turns.between(input.signal, async signal => {
          const view = await makeView(folder, blobs, users, { purpose: 'rescan', signal })
          const answers = await answersOf(view, { ...input, blobs: store, signal })
          return { view, answers: answers.map(({ scan, code, stdout }) => ({ scan, said: saidIn(scan.scanner, code, stdout, view, dismissed) })) }
        })
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
  }
}

function withoutFiles({ files: _files, ...definitions }: Loaded): Omit<Loaded, 'files'> {
  return definitions
}

type Own = { version: string; answer: { code: number; stdout: string }; definitions?: Omit<Loaded, 'files'> }

async function runOwn(scanner: ScannerCommand, view: View, signal: AbortSignal): Promise<Own> {
  const walls = { ...wallsOf(scanner, view), signal }
  return { version: await versionOf(scanner, walls), answer: await runSandboxed({ ...walls, command: scanner.command, timeoutSeconds: scanner.timeoutSeconds, accept: [0, 1] }) }
}

type Walls = Pick<Sandboxed, 'name' | 'purpose' | 'folder' | 'reads' | 'memoryMiB' | 'scratchMiB' | 'signal'>

function wallsOf({ name, reads, memoryMiB, scratchMiB }: ScannerCommand, { folder, purpose }: Pick<View, 'folder' | 'purpose'>): Walls {
  return { name, purpose, folder, reads: reads ?? [], memoryMiB, scratchMiB }
}

async function versionOf({ version }: ScannerCommand, walls: Walls): Promise<string> {
  const said = version === undefined ? '' : (await runSandboxed({ ...walls, command: version, timeoutSeconds: VERSION_SECONDS, accept: [0] })).stdout
  return printable(said.split('\n')[0] ?? '').slice(0, VERSION_LENGTH)
}

export function notOpened(where: string, why: View['unopened'][number]['why']): string {
  return why === 'failed' ? `${where} could not be opened for the scanners; they saw it as it is` : `${where} opens to more than the scanners have space for; they saw it as it is`
}
