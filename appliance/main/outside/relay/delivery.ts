import { lstat, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { buildBundle, checkPayload, chunkMapsOf, keepRecord, keepSequence, openSet, openWorkspace, readRecord, type BuildInput, type Built, type OpenWorkspace } from '../../../../bundles/build/index.ts'
import { WORKSPACE_FILE } from '../../../../bundles/format/collection-lock.ts'
import type { Manifest } from '../../../../bundles/format/manifest.ts'
import { rolesNeeded } from '../../../../bundles/format/manifest-file.ts'
import { loadTrust, verifyManifest, type TrustedKeys } from '../../../../importer/verify/index.ts'
import type { Clock } from '../../../core/clock.ts'
import type { Digest } from '../../../core/digest.ts'
import { ensureFolder } from '../../../core/durable-file.ts'
import { DrydockError } from '../../../core/error.ts'
import type { Signer } from '../../../core/signer.ts'
import { sbomBeside } from '../bundle-sbom.ts'
import { signersOf } from '../key-files.ts'
import { readTrust } from '../../trust-file.ts'
import { newestReceipt } from './newest-receipt.ts'
import { checkWatchFolder, dropInto, hiddenFolder, replaceFolder } from './place.ts'
import type { Delivery } from './relay-file.ts'
import { keepState, readState, type RelayState } from './relay-state.ts'

export type DeliveryDeps = {
  delivery: Delivery
  /** Where lock and blobs are. */
  workspace: string
  clock: Clock
  signal: AbortSignal
  /** Make a bundle although nothing changed. */
  force: boolean
  /** Everything, whatever the site holds. */
  whole: boolean
  /** A remark for the log. */
  say: (text: string) => void
}

export type Outcome = { outcome: 'dropped' | 'waiting' | 'unchanged'; text: string; code: string | null; files: string[] }

/** A site for which bundles can be made; `signed` were dropped just now. */
export type Ready = DeliveryDeps & { trust: TrustedKeys; signers: readonly Signer[]; signed: readonly string[] }

/** Before anything is fetched: what a site needs is there, and what a former round left is finished. @throws DD-RELAY-001, 003, 004 */
export async function prepared(deps: DeliveryDeps): Promise<Ready> {
  const { delivery } = deps
  await checkWatchFolder(delivery.watchFolder)
  await checkSenderMoved(deps)
  const trust = await loadTrust((await readTrust(delivery.trust)).trust)
  const signers = await releaseSigners(delivery, trust)
  await finishMove(deps)
  // What a round that was killed left behind: it was not whole, so nobody was told of it.
  for (const folder of [delivery.watchFolder, delivery.outbox]) await rm(hiddenFolder(folder, delivery.folder), { recursive: true, force: true })
  return { ...deps, trust, signers, signed: await dropSigned(deps) }
}

/** What became one of several sites would begin again at sequence 1 as another sender, and its appliance would refuse that. @throws DD-RELAY-001 */
async function checkSenderMoved({ delivery: { site, folder }, workspace }: DeliveryDeps): Promise<void> {
  const isThere = async (path: string): Promise<boolean> => (await lstat(path).catch(() => undefined)) !== undefined
  if (folder === workspace || (await isThere(join(folder, WORKSPACE_FILE))) || !(await isThere(join(workspace, WORKSPACE_FILE)))) return
  const former = await openWorkspace(workspace, {}).catch(() => undefined)
  if (former?.sender.site !== site) return
  throw new DrydockError('DD-RELAY-001', `expected what was sent to ${site} so far in ${folder}, found it in ${workspace}`, `its sequence must go on: mkdir -p ${folder} && cd ${workspace} && mv workspace.json records relay.json sent ${folder}/`)
}

/** @throws DD-RELAY-003: the appliance would refuse everything that this key signs */
async function releaseSigners({ sign, trust: path }: Delivery, trust: TrustedKeys): Promise<Signer[]> {
  const signers = await signersOf(sign)
  const stranger = signers.find(({ fingerprint }) => !trust.role('release').fingerprints.has(fingerprint))
  if (stranger === undefined) return signers
  throw new DrydockError('DD-RELAY-003', `expected release keys of ${path} under sign, found ${stranger.fingerprint}`, 'have the site trust the relay\'s key first, or sign with one that it trusts')
}

/** What was collected, to one site; nothing when it has it. `content` is the digest of the lock's items. */
export async function deliver(ready: Ready, content: Digest): Promise<Outcome> {
  const { delivery } = ready
  const state = await readState(delivery.folder)
  if (!ready.force && (state.waiting.at(-1) ?? state.dropped)?.content === content) return unchanged(state, ready.signed)
  await ensureFolder(delivery.folder)
  const workspace = await openWorkspace(ready.workspace, { site: delivery.site, ...(delivery.stream === undefined ? {} : { stream: delivery.stream }) }, delivery.folder)
  return await makeAndPlace(ready, workspace, content)
}

async function makeAndPlace(ready: Ready, workspace: OpenWorkspace, content: Digest): Promise<Outcome> {
  const { delivery, trust, signers } = ready
  const { folder } = delivery
  const { threshold } = trust.role('release')
  const lacks = threshold - new Set(signers.map(({ fingerprint }) => fingerprint)).size
  const target = lacks > 0 ? delivery.outbox : delivery.watchFolder
  const hidden = hiddenFolder(target, folder)
  if (lacks > 0) await ensureFolder(target)
  const sequence = nextSequence(workspace, await readState(folder))
  const since = await sinceOf(ready, workspace)
  let built: Built
  try {
    built = await buildBundle({
      lock: workspace.lock, blobFolder: workspace.blobFolder, sender: { ...workspace.sender, sequence }, signers, out: hidden, signal: ready.signal, maps: chunkMapsOf(ready.workspace),
      ...(since === undefined ? {} : { since }), ...(delivery.volumeBytes === undefined ? {} : { volumeBytes: delivery.volumeBytes }), ...(delivery.parity === undefined ? {} : { parity: delivery.parity }),
    })
    if (lacks <= 0) await judge(ready, built.volumes.map(({ file }) => file), trust)
  } catch (failure) {
    await rm(hidden, { recursive: true, force: true })
    throw failure
  }
  await ensureFolder(join(folder, 'sent'))
  await sbomBeside(built.file, join(folder, 'sent'))
  const sent = { sequence, content, files: built.volumes.map(({ file }) => basename(file)) }
  await keepRecord(workspace, built.manifest)
  // From here on the bundle is whole: its number is taken, and a relay that is killed goes on with it.
  const state = await readState(folder)
  if (lacks > 0) {
    const outbox = join(target, `${built.manifest.name}-${String(sequence).padStart(4, '0')}`)
    await replaceFolder(hidden, outbox)
    await keepState(folder, { ...state, waiting: [...state.waiting.filter(other => other.sequence !== sequence), { ...sent, folder: outbox, lacks }] })
    await keepSequence(workspace, sequence)
    return waitingOutcome(built.manifest, sent.files.map(file => join(outbox, file)), lacks)
  }
  await keepState(folder, { ...state, moving: { ...sent, from: hidden } })
  await keepSequence(workspace, sequence)
  await finishMove(ready)
  return { outcome: 'dropped', text: droppedText(built.manifest, sent.files), code: null, files: sent.files.map(file => join(delivery.watchFolder, file)) }
}

/** A relay that was killed between telling of a bundle and taking its number must not give the number to another one. */
function nextSequence({ sender }: OpenWorkspace, { dropped, waiting }: RelayState): number {
  return Math.max(sender.sequence, dropped?.sequence ?? 0, ...waiting.map(({ sequence }) => sequence)) + 1
}

/** What a delta stands on; undefined where the site gets everything. */
async function sinceOf({ delivery: { since, folder }, whole, ...deps }: DeliveryDeps, workspace: OpenWorkspace): Promise<BuildInput['since']> {
  if (whole || since === undefined) return undefined
  if (since !== 'dropped') return await newestReceipt(since, workspace.sender, deps)
  const { dropped } = await readState(folder)
  return dropped === null ? undefined : await readRecord(workspace.folder, workspace.sender, dropped.sequence)
}

/** As the appliance will judge it, marks and recalls aside; and every byte against the signed index. */
async function judge({ delivery: { site }, clock, signal }: DeliveryDeps, files: readonly string[], trust: TrustedKeys): Promise<Manifest> {
  const judged = (head: Parameters<typeof verifyManifest>[0]): ReturnType<typeof verifyManifest> => verifyManifest(head, { trust, now: clock.now(), ...(site === '*' ? {} : { site }) })
  const set = await openSet(files, judged)
  try {
    for (const volume of set.volumes) await checkPayload(volume, { signal })
    return set.volumes[0]!.manifest
  } finally {
    await set.close()
  }
}

/** Puts a bundle that is whole where it belongs; nothing when none is on its way. */
async function finishMove({ delivery: { folder, watchFolder }, clock, say }: DeliveryDeps): Promise<void> {
  const state = await readState(folder)
  if (state.moving === null) return
  const { from, ...sent } = state.moving
  await dropInto(watchFolder, from, sent.files, hiddenFolder(watchFolder, folder))
  const [late, waiting] = [state.waiting.filter(({ sequence }) => sequence < sent.sequence), state.waiting.filter(({ sequence }) => sequence > sent.sequence)]
  // The appliance would refuse them now: a sequence never goes down.
  for (const { folder: never } of late) say(`sequence ${sent.sequence} was dropped before ${never} was signed, so that one never will be: delete the folder`)
  await keepState(folder, { ...state, moving: null, waiting, dropped: { ...sent, at: clock.now().toISOString() } })
}

/** Bundles of the outbox that enough people have signed by now, oldest first. @returns the files that were dropped */
export async function dropSigned(deps: DeliveryDeps): Promise<string[]> {
  const { delivery, say } = deps
  const dropped: string[] = []
  for (const { lacks: _lacks, folder, ...sent } of (await readState(delivery.folder)).waiting) {
    const trust = await loadTrust((await readTrust(delivery.trust)).trust)
    const files = sent.files.map(file => join(folder, file))
    const manifest = await judge(deps, files, trust).catch((failure: unknown) => {
      if (!(failure instanceof DrydockError)) throw failure
      // Not signed by enough is what it waits for; anything else somebody must look at.
      if (failure.code !== 'DD-TRUST-012') say(`${folder} stays in the outbox: ${failure.message} (${failure.code})`)
      return undefined
    })
    if (manifest === undefined) continue
    const state = await readState(delivery.folder)
    await keepState(delivery.folder, { ...state, waiting: state.waiting.filter(({ sequence }) => sequence !== sent.sequence), moving: { ...sent, from: folder } })
    await finishMove(deps)
    say(droppedText(manifest, sent.files))
    dropped.push(...sent.files.map(file => join(delivery.watchFolder, file)))
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
