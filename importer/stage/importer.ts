import { basename, join } from 'node:path'
import type { Clock } from '../../appliance/core/clock.ts'
import { digestOf, type Digest } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import type { Signer } from '../../appliance/core/signer.ts'
import { blobsBrought } from '../../bundles/format/brought.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { controlOf, type ControlKind, type RecallHit } from '../../bundles/format/control.ts'
import { parseIndex, type Index } from '../../bundles/format/index-file.ts'
import type { Finding, Preflight, Scan } from '../../bundles/format/import-record.ts'
import { itemKey, type Item } from '../../bundles/format/item.ts'
import type { Manifest } from '../../bundles/format/manifest.ts'
import { parseManifest, volumeName } from '../../bundles/format/manifest-file.ts'
import type { VerifiedIndex, VerifiedManifest } from '../../bundles/format/verified.ts'
import type { BlobStore } from '../../mirror/store/blobs.ts'
import type { Catalogue } from '../../mirror/store/catalogue.ts'
import { recallText } from '../../mirror/store/withdrawn.ts'
import type { MirrorFormat } from '../../mirror/store/format.ts'
import type { Scanners } from '../scan/index.ts'
import { answering, checkVolumeLength, openPlainFile, openVolume, readingPlaces, volumeNumber, type Ends, type OpenMedia } from '../unpack/index.ts'
import { documentIn, loadTrust, rememberingVerifyIndex, verifyManifest, type Marks, type TrustedKeys, type WrongClock } from '../verify/index.ts'
import { controlPreflight, takeEffect, type ControlBundle, type ControlDeps } from './control.ts'
import { askingOnce } from './asking-once.ts'
import { missingOf, type BaseView } from './base.ts'
import { findingsOf, type FindingPolicy } from './findings.ts'
import { preflightOf, type PreflightInput } from './preflight.ts'
import { receiptOf } from './receipt.ts'
import { scanItems } from './scan.ts'
import { mayBecome } from './states.ts'
import { freeBytesIn, stagingPayload, type Work } from './stage-payload.ts'
import { stagingOf } from './staging.ts'

export type ImporterDeps = Pick<ControlDeps, 'installTrust' | 'withdrawn' | 'hits'> & {
  /** DATA/staging, on the same file system as the blob store. */
  stagingDir: string
  site: string
  applianceId: string
  /** The trust that is in force now; read anew for each verification. */
  trust: () => Promise<TrustedKeys>
  marks: Marks
  /** Trusted time, and whether the machine's clock is behind it: then no bundle is judged. */
  clock: Clock & { wrongClock(): WrongClock | null; riseTo(): Date }
  blobs: BlobStore
  catalogue: Catalogue
  formats: readonly MirrorFormat[]
  /** The appliance's own key, for receipts. */
  signer: Signer
  internalNames?: FindingPolicy['internalNames']
  licences?: FindingPolicy['licences']
  affects?: (items: readonly Item[]) => string[]
  /** For deltas: the generation that an import made, by the digest of its receipt or of its manifest. */
  baseGeneration?: BaseView['baseGeneration']
  /** Those who look at staged blobs for what the site does not want. */
  scanners?: Scanners
  /** How a source is read; left out, it is a path of this machine. */
  openMedia?: OpenMedia
  /** What hangs or answers as one with a source: the point of a mount, which begins with a slash, or a drive. It must not touch what it names. */
  placeOf: (source: string) => string
  /** How long it may make no progress, milliseconds. */
  answerMs?: number
}

/**
 * The steps of one import over its staging folder. Each can be run again after a kill, and each that trusts the bundle verifies it
 * again: between two of them may lie a weekend, a revoked key, or another bundle.
 */
export function createImporter(deps: ImporterDeps) {
  const staging = (id: string): ReturnType<typeof stagingOf> => stagingOf(join(deps.stagingDir, id))
  const policy: FindingPolicy = { recalled: deps.withdrawn.byItem, internalNames: deps.internalNames ?? {}, licences: deps.licences ?? { refuse: [], warn: [] }, canStandBeside: (before, after) => deps.formats.find(format => format.kind === after.kind)?.merge?.(before, after) !== undefined }

  const places = readingPlaces({ placeOf: deps.placeOf, own: deps.placeOf(deps.stagingDir), waitMs: deps.answerMs })
  const openMedia = answering(deps.openMedia ?? openPlainFile, places)
  const { verifyIndex, forget } = rememberingVerifyIndex()

  async function verifyNow(head: { manifest: Uint8Array; signatures: string }): Promise<VerifiedManifest> {
    return await verifyManifest(head, { trust: await deps.trust(), now: deps.clock.now(), wrongClock: deps.clock.wrongClock(), site: deps.site, marks: deps.marks })
  }

  /** From the staging folder: what was verified when the import was found, verified once more. */
  async function verifiedAgain(id: string): Promise<ControlBundle> {
    const head = await staging(id).readHead()
    const verified = await verifyNow(head)
    return { head, verified, index: verifyIndex(verified, head.parts) }
  }

  const missingFrom = (verified: VerifiedManifest, index: VerifiedIndex): string[] => missingOf(verified, index, { holds: deps.blobs.has, catalogue: deps.catalogue, baseGeneration: deps.baseGeneration ?? (() => undefined) })

  /** Before anything is taken in, a person sees who will look at it and how old the definitions are. */
  async function scannersNow(): Promise<Pick<PreflightInput, 'scanners'>> {
    const states = await deps.scanners?.states(deps.catalogue.current())
    return states === undefined || states.length === 0 ? {} : { scanners: { states, warnings: deps.scanners!.warnings(states) } }
  }

  return {
    mayBecome,

    placeOf: places.of,

    resolved: places.resolved,

    ...stagingPayload({ staging, stagingDir: deps.stagingDir, blobs: deps.blobs, openMedia, verifyNow, verifyIndex, verifiedAgain }),

    /** Takes manifest, signatures and index off the medium; no payload. They are judged by `verify`, which needs no medium. */
    async read(id: string, source: string, signal: AbortSignal): Promise<Ends> {
      const volume = await openVolume(source, openMedia, signal)
      try {
        const verified = await verifyNow(volume.head)
        const { parts } = await volume.indexParts(verified)
        const ends = await volume.ends(verified)
        await staging(id).keepHead(volume.head, parts)
        return ends
      } finally {
        await volume.close()
      }
    },

    /** Judges what `read` took from `source`. */
    async verify(id: string, source: string, ends: Ends): Promise<{ preflight: Preflight; approvals: number; missing: string[]; volume: number; volumeNames: string[]; control: ControlKind | null }> {
      const { head, verified, index } = await verifiedAgain(id)
      const volume = volumeNumber(verified, index, ends)
      checkVolumeLength(verified, index, volume, ends)
      const missing = missingFrom(verified, index)
      const plain = preflightOf({ bundle: basename(source), verified, index, missing: missing.length, view: deps.catalogue.current(), holds: deps.blobs.has, affects: deps.affects ?? (() => []), policy, freeBytes: await freeBytesIn(deps.stagingDir), ...(await scannersNow()) })
      // What is mixed was refused by verification.
      const control = controlOf(verified.manifest) as ControlKind | null
      const preflight = control === null ? plain : await controlPreflight(deps, control, { head, verified, index }, plain)
      return { preflight, control, approvals: verified.sequence.jump === null && control !== 'trust' ? 1 : 2, missing, volume, volumeNames: namesOf(verified.manifest) }
    },

    /** For a parked delta: what it still misses. */
    async missing(id: string): Promise<string[]> {
      const { verified, index } = await verifiedAgain(id)
      return missingFrom(verified, index)
    },

    /** Claims computed again from the bytes, what scanners say of them, and what policy says now. */
    async scan(id: string, work: Work): Promise<{ findings: Finding[]; scans: Scan[] }> {
      const { index } = await verifiedAgain(id)
      const folder = staging(id)
      const blobs = folder.over(deps.blobs)
      const view = deps.catalogue.current()
      const fromBytes = await scanItems(index.items, blobs, deps.formats, work)
      // Only what the signed index brings gets in, so only that is shown to scanners: whatever else might lie there never gets a name.
      const brought = blobsBrought(index)
      const staged = (await folder.staged()).filter(({ digest }) => brought.has(digest))
      const looked = (files: number): void => work.progress(Math.min(files, staged.length), staged.length)
      const scanned = (await deps.scanners?.scan({ folder: folder.scanFolder, items: index.items, staged, blobs, view, signal: work.signal, looked })) ?? { findings: [], scans: [] }
      return { findings: [...scanned.findings, ...fromBytes, ...findingsOf(index.items, askingOnce(view), policy, false)], scans: scanned.scans }
    },

    /** Of a bundle that brings no content, instead of staging, scan and promotion; the mirrors stay at their generation. */
    async takeEffect(id: string): Promise<{ generation: number; hits: RecallHit[] }> {
      const { manifest, digest, index } = await accepted(id)
      const hits = await takeEffect(deps, controlOf(manifest) as ControlKind, { index: index(), digest, again: () => verifiedAgain(id) })
      return { generation: deps.catalogue.current().generation, hits }
    },

    /** Blobs into the store, then one new generation for all kinds, or nothing. Idempotent by the import's id. */
    async promote(id: string): Promise<{ generation: number }> {
      const { verified, index } = await verifiedAgain(id)
      const [gone] = missingFrom(verified, index)
      if (gone !== undefined) throw new DrydockError('DD-IMPORT-031', `expected all that this delta stands on to be here still, found none of ${gone}`, 'go back to a generation that has it and resume, or have the sender build without --since and --since-bundle')
      refuseRecalled(index.items)
      const folder = staging(id)
      // Only what the signed index brings: whatever else might lie there never gets a name in the store.
      const brought = blobsBrought(index)
      await deps.blobs.adoptAll((await folder.staged()).filter(({ digest }) => brought.has(digest)))
      return await deps.catalogue.promote({ operation: id, items: index.items.map(withoutParts) })
    },

    /** Nothing at or below this sequence comes in again. */
    async raiseMark(id: string): Promise<void> {
      const { manifest, digest, index } = await accepted(id)
      if (controlOf(manifest) === 'trust') return await deps.marks.raiseTrust(await loadTrust(documentIn(index())))
      await deps.marks.raise(manifest.stream, { workspace: manifest.workspace, epoch: manifest.epoch, sequence: manifest.sequence, manifest: digest }, deps.clock.riseTo())
    },

    /** The signed receipt of what is here after generation N. */
    async receipt(id: string, facts: { generation: number; preflight: Preflight; submittedBy: string; approvedBy: readonly string[]; scans?: readonly Scan[] }): Promise<{ receipt: string; signature: string }> {
      const { manifest, digest } = await accepted(id)
      const receipt = canonicalJson(receiptOf({
        applianceId: deps.applianceId, site: deps.site, manifest, digest, view: deps.catalogue.at(facts.generation), at: deps.clock.now().toISOString(),
        signers: facts.preflight.signers, submittedBy: facts.submittedBy, approvedBy: facts.approvedBy, scans: facts.scans ?? [],
      }))
      return { receipt, signature: await deps.signer.sign(Buffer.from(receipt)) }
    },

    async clean(id: string): Promise<void> {
      const head = await staging(id).readHead().catch(() => undefined)
      if (head !== undefined) forget(digestOf(head.manifest))
      await staging(id).remove()
    },
  }

  /** After promotion: the manifest is not judged again, because a key that expires now must not leave an import half told. */
  async function accepted(id: string): Promise<{ manifest: Manifest; digest: Digest; index: () => Index }> {
    const head = await staging(id).readHead()
    const manifest = parseManifest(head.manifest)
    return { manifest, digest: digestOf(head.manifest), index: () => parseIndex(manifest, head.parts) }
  }

  /** A recall may have come in while this waited for approval. @throws DD-IMPORT-019 */
  function refuseRecalled(items: readonly Item[]): void {
    for (const item of items) {
      const recall = deps.withdrawn.byItem(item)
      if (recall !== undefined) throw new DrydockError('DD-IMPORT-019', `expected nothing that was withdrawn, found ${itemKey(item)}, ${recallText(recall)}`, 'have the sender build a bundle without it')
    }
  }
}

export type Importer = ReturnType<typeof createImporter>

/** Of the volumes and then of the parity volumes, as their numbers go. */
function namesOf(manifest: Manifest): string[] {
  return Array.from({ length: manifest.volumes.length + (manifest.parity?.length ?? 0) }, (_, k) => volumeName(manifest, k + 1))
}

/** How a blob travelled is of no meaning once it is here. */
function withoutParts(item: Item): Item {
  return { ...item, blobs: item.blobs.map(({ parts: _parts, ...blob }) => blob) }
}
