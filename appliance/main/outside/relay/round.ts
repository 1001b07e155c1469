import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { canonicalJson } from '../../../../bundles/format/canonical-json.ts'
import { buildBundle, checkPayload, chunkMapsOf, keepRecord, keepSequence, openSet, openWorkspace, readRecord, volumeBytes, type BuildInput, type Built, type OpenWorkspace } from '../../../../bundles/build/index.ts'
import { collect } from '../../../../bundles/collect/collect.ts'
import type { CollectProgress } from '../../../../bundles/collect/progress.ts'
import type { Manifest } from '../../../../bundles/format/manifest.ts'
import { rolesNeeded } from '../../../../bundles/format/manifest-file.ts'
import { loadTrust, verifyManifest, type TrustedKeys } from '../../../../importer/verify/index.ts'
import type { Clock } from '../../../core/clock.ts'
import { digestOf, type Digest } from '../../../core/digest.ts'
import { ensureFolder } from '../../../core/durable-file.ts'
import { DrydockError } from '../../../core/error.ts'
import type { Signer } from '../../../core/signer.ts'
import { sbomBeside } from '../bundle-sbom.ts'
import { signersOf } from '../key-files.ts'
import { readTrust } from '../../trust-file.ts'
import { newestReceipt } from './newest-receipt.ts'
import { checkWatchFolder, dropInto, hiddenFolder, replaceFolder } from './place.ts'
import type { Relay } from './relay-file.ts'
import { keepState, readState, type RelayState } from './relay-state.ts'

export type RoundDeps = {
  relay: Relay
  /** What programs that fetch are started with; holds the proxy. */
  environment: NodeJS.ProcessEnv
  clock: Clock
  signal: AbortSignal
  /** Make a bundle although nothing changed. */
  force: boolean
  /** Everything, whatever the site holds. */
  whole: boolean
  progress: (progress: CollectProgress) => void
  /** A remark for the log. */
  say: (text: string) => void
}

export type Outcome = { outcome: 'dropped' | 'waiting' | 'unchanged'; text: string; code: string | null; files: string[] }

/**
 * One round: finish what a former one left, then collect → build → sign → judge → drop. What is dropped was judged as the appliance will
 * judge it. Every step can be interrupted: the next round takes the same sequence again until the bundle is whole, and goes on with a
 * bundle that is whole.
 */
export async function relayRound(deps: RoundDeps): Promise<Outcome> {
  const { relay } = deps
  await checkWatchFolder(relay.watchFolder)
  const trust = await loadTrust((await readTrust(relay.trust)).trust)
  const signers = await releaseSigners(relay, trust)
  await finishMove(deps)
  // What a round that was killed left behind: it was not whole, so nobody was told of it.
  for (const folder of [relay.watchFolder, relay.outbox]) await rm(hiddenFolder(folder, relay.workspace), { recursive: true, force: true })
  const signed = await dropSigned(deps)
  const { lock } = await collect({ collection: relay.collection, workspace: relay.workspace, environment: deps.environment, clock: deps.clock, signal: deps.signal, progress: deps.progress })
  const content = digestOf(canonicalJson(lock.items))
  const state = await readState(relay.workspace)
  if (!deps.force && (state.waiting.at(-1) ?? state.dropped)?.content === content) return unchanged(state, signed)
  const workspace = await openWorkspace(relay.workspace, { site: relay.site, ...(relay.stream === undefined ? {} : { stream: relay.stream }) })
  return await makeAndPlace(deps, workspace, signers, trust, content)
}

/** @throws DD-RELAY-003: the appliance would refuse everything that this key signs */
async function releaseSigners({ sign, trust: path }: Relay, trust: TrustedKeys): Promise<Signer[]> {
  const signers = await signersOf(sign)
  const stranger = signers.find(({ fingerprint }) => !trust.role('release').fingerprints.has(fingerprint))
  if (stranger === undefined) return signers
  throw new DrydockError('DD-RELAY-003', `expected release keys of ${path} under sign, found ${stranger.fingerprint}`, 'have the site trust the relay\'s key first, or sign with one that it trusts')
}

async function makeAndPlace(deps: RoundDeps, workspace: OpenWorkspace, signers: readonly Signer[], trust: TrustedKeys, content: Digest): Promise<Outcome> {
  const { relay } = deps
  const { threshold } = trust.role('release')
  const lacks = threshold - new Set(signers.map(({ fingerprint }) => fingerprint)).size
  const target = lacks > 0 ? relay.outbox : relay.watchFolder
  const hidden = hiddenFolder(target, relay.workspace)
  if (lacks > 0) await ensureFolder(target)
  const sequence = nextSequence(workspace, await readState(relay.workspace))
  const since = await sinceOf(deps, workspace)
  let built: Built
  try {
    built = await buildBundle({
      lock: workspace.lock, blobFolder: workspace.blobFolder, sender: { ...workspace.sender, sequence }, signers, out: hidden, signal: deps.signal, maps: chunkMapsOf(workspace.folder),
      ...(since === undefined ? {} : { since }), ...(relay.volume === undefined ? {} : { volumeBytes: volumeBytes(relay.volume) }),
    })
    if (lacks <= 0) await judge(deps, built.volumes.map(({ file }) => file), trust)
  } catch (failure) {
    await rm(hidden, { recursive: true, force: true })
    throw failure
  }
  await ensureFolder(join(relay.workspace, 'sent'))
  await sbomBeside(built.file, join(relay.workspace, 'sent'))
  const sent = { sequence, content, files: built.volumes.map(({ file }) => basename(file)) }
  await keepRecord(workspace, built.manifest)
  // From here on the bundle is whole: its number is taken, and a relay that is killed goes on with it.
  const state = await readState(relay.workspace)
  if (lacks > 0) {
    const folder = join(target, `${built.manifest.name}-${String(sequence).padStart(4, '0')}`)
    await replaceFolder(hidden, folder)
    await keepState(relay.workspace, { ...state, waiting: [...state.waiting.filter(other => other.sequence !== sequence), { ...sent, folder, lacks }] })
    await keepSequence(workspace, sequence)
    return waitingOutcome(built.manifest, sent.files.map(file => join(folder, file)), lacks)
  }
  await keepState(relay.workspace, { ...state, moving: { ...sent, from: hidden } })
  await keepSequence(workspace, sequence)
  await finishMove(deps)
  return { outcome: 'dropped', text: droppedText(built.manifest, sent.files), code: null, files: sent.files.map(file => join(relay.watchFolder, file)) }
}

/** A relay that was killed between telling of a bundle and taking its number must not give the number to another one. */
function nextSequence({ sender }: OpenWorkspace, { dropped, waiting }: RelayState): number {
  return Math.max(sender.sequence, dropped?.sequence ?? 0, ...waiting.map(({ sequence }) => sequence)) + 1
}

/** What a delta stands on; undefined where the site gets everything. */
async function sinceOf({ relay, whole, ...deps }: RoundDeps, workspace: OpenWorkspace): Promise<BuildInput['since']> {
  if (whole || relay.since === undefined) return undefined
  if (relay.since !== 'dropped') return await newestReceipt(relay.since, workspace.sender, deps)
  const { dropped } = await readState(relay.workspace)
  return dropped === null ? undefined : await readRecord(workspace.folder, workspace.sender, dropped.sequence)
}

/** As the appliance will judge it, marks and recalls aside; and every byte against the signed index. */
async function judge({ relay, clock, signal }: RoundDeps, files: readonly string[], trust: TrustedKeys): Promise<Manifest> {
  const judged = (head: Parameters<typeof verifyManifest>[0]): ReturnType<typeof verifyManifest> => verifyManifest(head, { trust, now: clock.now(), ...(relay.site === '*' ? {} : { site: relay.site }) })
  const set = await openSet(files, judged)
  try {
    for (const volume of set.volumes) await checkPayload(volume, { signal })
    return set.volumes[0]!.manifest
  } finally {
    await set.close()
  }
}

/** Puts a bundle that is whole where it belongs; nothing when none is on its way. */
async function finishMove({ relay, clock, say }: RoundDeps): Promise<void> {
  const state = await readState(relay.workspace)
  if (state.moving === null) return
  const { from, ...sent } = state.moving
  await dropInto(relay.watchFolder, from, sent.files, hiddenFolder(relay.watchFolder, relay.workspace))
  const [late, waiting] = [state.waiting.filter(({ sequence }) => sequence < sent.sequence), state.waiting.filter(({ sequence }) => sequence > sent.sequence)]
  // The appliance would refuse them now: a sequence never goes down.
  for (const { folder } of late) say(`sequence ${sent.sequence} was dropped before ${folder} was signed, so that one never will be: delete the folder`)
  await keepState(relay.workspace, { ...state, moving: null, waiting, dropped: { ...sent, at: clock.now().toISOString() } })
}

/** Bundles of the outbox that enough people have signed by now, oldest first. @returns the files that were dropped */
export async function dropSigned(deps: RoundDeps): Promise<string[]> {
  const { relay, say } = deps
  const dropped: string[] = []
  for (const { lacks: _lacks, folder, ...sent } of (await readState(relay.workspace)).waiting) {
    const trust = await loadTrust((await readTrust(relay.trust)).trust)
    const files = sent.files.map(file => join(folder, file))
    const manifest = await judge(deps, files, trust).catch((failure: unknown) => {
      if (!(failure instanceof DrydockError)) throw failure
      // Not signed by enough is what it waits for; anything else somebody must look at.
      if (failure.code !== 'DD-TRUST-012') say(`${folder} stays in the outbox: ${failure.message} (${failure.code})`)
      return undefined
    })
    if (manifest === undefined) continue
    const state = await readState(relay.workspace)
    await keepState(relay.workspace, { ...state, waiting: state.waiting.filter(({ sequence }) => sequence !== sent.sequence), moving: { ...sent, from: folder } })
    await finishMove(deps)
    say(droppedText(manifest, sent.files))
    dropped.push(...sent.files.map(file => join(relay.watchFolder, file)))
  }
  return dropped
}

function unchanged(state: RelayState, signed: readonly string[]): Outcome {
  if (signed.length > 0) return { outcome: 'dropped', text: 'nothing changed upstream; what was signed meanwhile is dropped', code: null, files: [...signed] }
  const open = state.waiting.at(-1)
  if (open !== undefined) return { outcome: 'waiting', text: `nothing changed; sequence ${open.sequence} still waits for signatures in the outbox`, code: 'DD-RELAY-005', files: [] }
  return { outcome: 'unchanged', text: `nothing changed since sequence ${state.dropped?.sequence ?? 0}; nothing dropped`, code: null, files: [] }
}

function waitingOutcome(manifest: Manifest, files: string[], lacks: number): Outcome {
  const text = `sequence ${manifest.sequence} needs ${lacks} more ${lacks === 1 ? 'signature' : 'signatures'} for ${rolesNeeded(manifest).join(' and ')} and waits in the outbox: drydock bundle sign ${files.join(' ')} --key FILE`
  return { outcome: 'waiting', code: 'DD-RELAY-005', files, text }
}

function droppedText(manifest: Manifest, files: readonly string[]): string {
  return `dropped sequence ${manifest.sequence} for ${manifest.site}${manifest.base === undefined ? '' : ', a delta'}: ${files.join(' ')}`
}
