import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Digest } from '../../appliance/core/digest.ts'
import { ensureFolder } from '../../appliance/core/durable-file.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import type { Definitions, Scan, ScannerState } from '../../bundles/format/import-record.ts'
import type { RescanPart, StoreFinding } from '../../bundles/format/rescan-record.ts'
import type { BlobStore } from '../../mirror/store/blobs.ts'
import type { Catalogue } from '../../mirror/store/catalogue.ts'
import { FINDINGS, ITEMS_OF_BLOB, RESCAN_BYTES, RESCAN_FILES } from './limits.ts'
import { dismissalOf, severityOf, told, type Said } from './output.ts'
import { gatherPublished, type Published } from './published.ts'
import { PURPOSES } from './purpose.ts'
import { failed } from './sandbox.ts'
import { notOpened, type Scanners } from './scanners.ts'
import { seenIn, type Seen, type StagedBlob } from './view.ts'

/**
 * What is looked through, by whom: fixed when it begins, so that a run after a kill goes on with the same. `knowledge` is the generation whose definitions are
 * used; `total` counts the files of `rest`.
 */
export type RescanPlan = { generation: number; since: number; knowledge: number; scanners: ScannerState[]; rest: RescanPart[]; total: number }
/** What is wanted: `generation` null is the current one; `goesOn` is what another one, which looked at this generation, has left. */
export type RescanWanted = { generation: number | null; since: number; goesOn: { generation: number; rest: readonly RescanPart[] } | null }
/** `left` is what the next batch begins with, null at the end of the part. */
export type RescanBatch = { left: RescanPart | null; blobs: number; scans: Scan[]; findings: StoreFinding[]; more: number }

export type RescanDeps = {
  scanners: Scanners
  catalogue: Pick<Catalogue, 'current' | 'at' | 'walk'>
  blobs: Pick<BlobStore, 'blobPath' | 'has' | 'size'>
  /** What people have published here; without it nobody can. */
  published?: Published
  /** Where batches are shown to scanners: a folder on the file system of the blobs; one rescan at a time uses it. */
  folder: string
  /** How much one batch holds at most; a batch has one blob at least. */
  batch?: { files: number; bytes: number }
}

/** Files after which the event loop gets its turn, while a batch is gathered. */
const TURN_FILES = 256

/** Looks again at what is here already, batch by batch, with the newest definitions. Nothing is changed by it. */
export function createRescan(deps: RescanDeps) {
  const { scanners, catalogue, blobs } = deps
  const most = deps.batch ?? { files: RESCAN_FILES, bytes: RESCAN_BYTES }

  async function gather(part: RescanPart): Promise<{ files: StagedBlob[]; users: Map<Digest, Seen>; lost: Seen[]; left: RescanPart | null; blobs: number }> {
    if (part.of === 'mirrors') return await gatherBlobs(part)
    if (deps.published === undefined) return { files: [], users: new Map(), lost: [], left: null, blobs: 0 }
    return { ...(await gatherPublished(deps.published, part.after, { folder: join(deps.folder, 'published'), most })), lost: [] }
  }

  /** In the order of digests, until it is full; what the store has lost is told instead of looked at. */
  async function gatherBlobs(part: Mirrors): Promise<{ files: StagedBlob[]; users: Map<Digest, Seen>; lost: Seen[]; left: RescanPart | null; blobs: number }> {
    const files: StagedBlob[] = []
    const users = new Map<Digest, Seen>()
    const lost: Seen[] = []
    const page = catalogue.walk.page(part, part.after, most.files)
    let bytes = 0
    let seen = 0
    for (const digest of page) {
      bytes += blobs.size(digest) ?? 0
      if (seen > 0 && bytes > most.bytes) break
      const user = userOf(part, digest)
      if (blobs.has(digest)) files.push({ digest, path: blobs.blobPath(digest) })
      else lost.push(user)
      users.set(digest, user)
      if (++seen % TURN_FILES === 0) await setImmediate()
    }
    const [last, isEnd] = [page[seen - 1], seen === page.length && page.length < most.files]
    return { files, users, lost, left: isEnd || last === undefined ? null : { ...part, after: last }, blobs: seen }
  }

  function userOf(part: Mirrors, digest: Digest): Seen {
    const items = catalogue.walk.holders(part, digest, ITEMS_OF_BLOB)
    return items.reduce<Seen | undefined>((before, item) => seenIn(item, digest, before), undefined) ?? { digest, items: [], blob: digest }
  }

  function findingOf(scanner: string, seen: Seen | undefined, said: Pick<StoreFinding, 'severity' | 'code' | 'text' | 'what'>): StoreFinding {
    const about = { scanner, ...said, items: seen?.items.map(({ key }) => key) ?? [], digest: seen?.digest ?? null }
    if (seen?.published !== undefined) return { ...about, imports: [], published: true, files: seen.published }
    return { ...about, imports: seen === undefined ? [] : catalogue.walk.bringers(seen.digest) }
  }

  /** The gravest first, each once, as many as are told one by one; what is dismissed takes nobody's place. */
  function findingsOf(scanner: string, said: readonly Said[], of: (path: string) => Seen | undefined): { findings: StoreFinding[]; more: number } {
    const rank = (one: Said): number => (severityOf(scanner, one) === 'warning' ? 2 : dismissalOf(scanner, one, of(one.path ?? ''), scanners.dismissed) === undefined ? 0 : 1)
    const order = said.toSorted((a, b) => rank(a) - rank(b))
    const different = new Map(order.map(one => {
      const seen = of(one.path ?? '')
      // The word too: a scanner may warn of what it also finds, and the last one of a key is what stays.
      return [`${seen?.digest ?? one.path} ${one.word} ${one.what}`, { seen, one }] as const
    }))
    const kept = [...different.values()].slice(0, FINDINGS)
    return { findings: kept.map(({ seen, one }) => findingOf(scanner, seen, { ...told(scanner, seen === undefined ? PURPOSES.rescan.whole : whereOf(seen), one), what: one.what })), more: different.size - kept.length }
  }

  return {
    /** The newest definitions that ClamAV would use now; null when it has none, or is not used. */
    async definitions(): Promise<Definitions | null> {
      return (await scanners.states(catalogue.current())).find(({ definitions }) => definitions !== undefined)?.definitions ?? null
    },

    /** @throws DD-IMPORT-040 when nobody can look */
    async plan({ since, generation, goesOn }: RescanWanted): Promise<RescanPlan> {
      const current = catalogue.current()
      const able = (await scanners.known(current, `${deps.folder}-version-${randomUUID()}`)).filter(({ definitions }) => definitions !== null)
      if (able.length === 0) throw new DrydockError('DD-IMPORT-040', 'expected a scanner that can look through the store, found none', 'install clamav and import its definitions, or name a scanner in drydock.yaml: drydock scanner list')
      const range = { generation: generation ?? current.generation, since }
      const mirrors = goesOn === null ? [wholeOf(range)] : [...goesOn.rest.filter(part => part.of === 'mirrors'), ...(range.generation > goesOn.generation ? [wholeOf({ ...range, since: goesOn.generation })] : [])]
      // People may have published something in front of where another one stopped, so all of it is looked at each time.
      const published = since === 0 && deps.published !== undefined ? await deps.published.files() : []
      const total = mirrors.reduce((sum, part) => sum + catalogue.walk.count(part, part.after), published.length)
      return { ...range, knowledge: current.generation, scanners: able, rest: [...mirrors, ...(published.length === 0 ? [] : [{ of: 'published' as const, after: null }])], total }
    },

    /**
     * One batch by every scanner of the plan. Can be run again.
     * @throws DD-IMPORT-023 when one of them gives no answer, or is no longer here: then nothing is known of these files, and nothing is clean
     */
    async batch(plan: Pick<RescanPlan, 'knowledge' | 'scanners'>, part: RescanPart, { signal, looked }: { signal: AbortSignal; looked: (files: number) => void }): Promise<RescanBatch> {
      const { files, users, lost, left, blobs: count } = await gather(part)
      const missing = lost.map(seen => findingOf('drydock', seen, { severity: 'warning', code: 'not-here', what: 'missing', text: `the bytes of ${whereOf(seen)} are not in the store, so nobody looked at them` }))
      if (files.length === 0) return { left, blobs: count, scans: [], findings: missing, more: 0 }
      await ensureFolder(deps.folder, 0o700)
      const { view, answers } = await scanners.look({ folder: join(deps.folder, 'batch'), blobs: files, users, view: catalogue.at(plan.knowledge), store: blobs, signal, looked })
      if (part.of === 'published') await rm(join(deps.folder, 'published'), { recursive: true, force: true })
      refuseOthers(plan, answers)
      const said = answers.map(({ scan, said }) => ({ scan, ...findingsOf(scan.scanner, said, view.of) }))
      const unopened = view.unopened.map(({ seen, why }) => findingOf('drydock', seen, { severity: 'warning', code: 'not-opened', what: why, text: notOpened(whereOf(seen), why) }))
      return {
        left, blobs: count, scans: said.map(({ scan, findings, more }) => ({ ...scan, findings: findings.length + more })),
        findings: [...said.flatMap(({ findings }) => findings), ...missing, ...unopened], more: said.reduce((sum, { more }) => sum + more, 0),
      }
    },

    async clean(): Promise<void> {
      await rm(deps.folder, { recursive: true, force: true })
    },
  }
}

export type Rescan = ReturnType<typeof createRescan>

type Mirrors = Extract<RescanPart, { of: 'mirrors' }>

function wholeOf({ generation, since }: { generation: number; since: number }): Mirrors {
  return { of: 'mirrors', generation, since, after: null }
}

/** The first item by name; a layer may be part of hundreds. */
function whereOf({ items, blob, published }: Seen): string {
  const others = (published ?? items).length - 1
  return `${items[0]?.label ?? PURPOSES.rescan.whole}${others < 1 ? '' : ` and ${others} more`} (${blob})`
}

/** A scanner that was removed from the machine or the configuration in between would otherwise have found nothing. @throws DD-IMPORT-023 */
function refuseOthers(plan: Pick<RescanPlan, 'scanners'>, answers: readonly { scan: Omit<Scan, 'findings'> }[]): void {
  const named = (name: string, definitions: Definitions | null | undefined): string => (definitions === undefined || definitions === null ? name : `${name} with definitions ${definitions.version}`)
  const here = answers.map(({ scan }) => named(scan.scanner, scan.definitions))
  for (const { name, definitions } of plan.scanners) {
    const wanted = named(name, definitions)
    if (!here.includes(wanted)) throw failed(wanted, `it is no longer here (${here.join(', ') || 'no scanner'})`, 'what looks through the store must be the same from its beginning to its end', 'rescan')
  }
}
