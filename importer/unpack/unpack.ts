import { createInterface } from 'node:readline'
import type { ChildProcess } from 'node:child_process'
import Type from 'typebox'
import type { Digest } from '../../appliance/core/digest.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import { ERRORS, type ErrorCode } from '../../appliance/core/errors/table.ts'
import { blobsBrought } from '../../bundles/format/brought.ts'
import { checkShape } from '../../bundles/format/check.ts'
import { itemKey } from '../../bundles/format/item.ts'
import type { Manifest } from '../../bundles/format/manifest.ts'
import { shardBytes } from '../../bundles/format/parity.ts'
import type { VerifiedIndex, VerifiedManifest } from '../../bundles/format/verified.ts'
import { startConfined } from './confine.ts'
import type { Payload } from './open-volume.ts'
import { planLine, planOf, type Planned } from './plan.ts'
import { pushingOut } from './pushing-out.ts'
import { parityPlan } from './shards.ts'
import { inTwo, type Stretch } from './stretches.ts'
import { checkWalls } from './walls.ts'

export type UnpackInput = {
  verified: VerifiedManifest
  index: VerifiedIndex
  /** Which volume of its set the media is; a parity volume is joined to its shard in the staging folder. */
  volume: number
  media: Payload
  /** An empty folder of our own: blobs lie in it as <hex>. */
  staging: string
  /** Blobs that the store holds: checked, but not written again. */
  holds: (digest: Digest) => boolean
  signal?: AbortSignal
  progress?: (done: number, total: number) => void
}

/** Bytes checked, bytes written, and the most memory that the confined process had. */
export type Unpacked = { bytes: number; kept: number; peakKiB: number }

/**
 * One streaming pass over a volume's payload, in the confined process. Returns when what was kept is on the disk: one barrier for
 * all of it, not an fsync for each of 200,000 files.
 * @throws DD-BUNDLE-003, 005…008 for what is wrong with the volume, DD-IMPORT-011 when the confined process died, DD-CORE-002 on a full disk, DD-CORE-008 without bubblewrap
 */
export async function unpackVolume(input: UnpackInput): Promise<Unpacked> {
  const { manifest } = input.verified
  const largest = blobsBrought(input.index).values().reduce((most, { size, parts }) => (parts === undefined ? most : Math.max(most, size)), manifest.parity === undefined ? 0 : shardBytes(manifest.volumes))
  await checkWalls()
  const stretches = input.media.readers === 1 ? [{ offset: 0, plan: planFor(input), last: true }] : inTwo(planFor(input))
  const pushing = pushingOut(input.staging)
  const told = progressTogether(input, stretches.length, pushing.upTo)
  // What ends one of them ends the other.
  const failed = new AbortController()
  const signal = input.signal === undefined ? failed.signal : AbortSignal.any([input.signal, failed.signal])
  const passes = stretches.map(async (stretch, k) => await pass(stretch, { ...input, largest, signal, progress: told[k]! }).catch((failure: unknown) => {
    failed.abort()
    throw failure
  }))
  const done = await allOrFirstFailure(passes).catch(async (failure: unknown) => {
    await pushing.idle()
    throw (await input.media.fault()) ?? failure
  })
  await pushing.barrier()
  return done.reduce((sum, { bytes, kept, peakKiB }) => ({ bytes: sum.bytes + bytes, kept: sum.kept + kept, peakKiB: sum.peakKiB + peakKiB }))
}

type Pass = Omit<UnpackInput, 'progress' | 'signal'> & { largest: number; signal: AbortSignal; progress: (done: number) => void }

/** One confined process over its stretch of the payload. */
async function pass(stretch: Stretch, input: Pass): Promise<Unpacked> {
  const child = startConfined({ program: 'importer/unpack/inside.ts', largest: input.largest, staging: input.staging, media: input.media.fd, signal: input.signal })
  const ended = endOf(child)
  const [unpacked] = await Promise.all([resultOf(child, ended, input), feed(child, input.media.offset, stretch)])
  return unpacked
}

/** All have ended when this returns or throws: nobody writes into the staging folder any more. */
async function allOrFirstFailure<T>(passes: readonly Promise<T>[]): Promise<T[]> {
  const all = Promise.all(passes)
  all.catch(() => undefined)
  await Promise.allSettled(passes)
  return await all
}

/** What each of them tells of its own, told as one sum. */
function progressTogether(input: UnpackInput, count: number, also: (done: number) => void): ((done: number) => void)[] {
  const each = Array.from({ length: count }, () => 0)
  const total = payloadBytes(input.verified.manifest, input.volume)
  return each.map((_none, k) => (done: number) => {
    each[k] = done
    const all = each.reduce((sum, bytes) => sum + bytes, 0)
    input.progress?.(all, total)
    also(all)
  })
}

/** One line of the child. It is our code behind walls, but what comes over them is checked like anything from outside. */
const Report = Type.Object({
  done: Type.Optional(Type.Integer({ minimum: 0 })),
  kept: Type.Optional(Type.Integer({ minimum: 0 })),
  finished: Type.Optional(Type.Literal(true)),
  peakKiB: Type.Optional(Type.Integer({ minimum: 0 })),
  error: Type.Optional(Type.Object({ code: Type.String(), message: Type.String({ maxLength: 2000 }), hint: Type.String({ maxLength: 2000 }) })),
  /** For the log only. */
  cause: Type.Optional(Type.String({ maxLength: 500 })),
})

/** Follows the child's lines; its last one is the result. */
async function resultOf(child: ChildProcess, ended: Promise<Ended>, input: Pass): Promise<Unpacked> {
  let last: Type.Static<typeof Report> = {}
  for await (const line of createInterface({ input: child.stdout! })) {
    last = checkShape(Report, JSON.parse(line), 'the report of the confined process')
    if (last.done !== undefined) input.progress(last.done)
  }
  const { code, stderr } = await ended
  if (last.error !== undefined && last.error.code in ERRORS) throw new DrydockError(last.error.code as ErrorCode, `${last.error.message}${itemOfChunk(input.index, last.error.message)}`, last.error.hint, { cause: last.cause })
  if (last.finished === true && code === 0) return { bytes: last.done ?? 0, kept: last.kept ?? 0, peakKiB: last.peakKiB ?? 0 }
  throw new DrydockError('DD-IMPORT-011', `expected the confined process to finish, found ${code === null ? 'it killed' : `exit ${code}`}`, stderr === '' ? 'look for the out-of-memory killer in the kernel log; `drydock import resume` tries again' : `it said: ${stderr}`)
}

/** The confined process knows entries only; people want to know what it is about. */
function itemOfChunk(index: VerifiedIndex, message: string): string {
  const [entry] = /\bchunks\/[0-9a-f]{64}\b/.exec(message) ?? []
  if (entry === undefined) return ''
  const item = index.items.find(({ blobs }) => blobs.some(({ parts }) => parts?.some(part => 'entry' in part && part.entry === entry)))
  return item === undefined ? '' : ` (a chunk of ${itemKey(item)})`
}

/** Volumes count from 1; parity volumes go on after the last one. */
function planFor({ verified: { manifest }, index, volume, holds }: UnpackInput): Planned[] {
  return volume > manifest.volumes.length ? parityPlan(manifest, volume) : planOf(manifest, index, volume, holds)
}

function payloadBytes({ volumes }: Manifest, volume: number): number {
  return volumes[volume - 1]?.payloadSize ?? shardBytes(volumes)
}

type Ended = { code: number | null; stderr: string }

function endOf(child: ChildProcess): Promise<Ended> {
  let stderr = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('utf8')).slice(-4096)
  })
  const { promise, resolve, reject } = Promise.withResolvers<Ended>()
  // Nobody may be waiting yet when it fails; resultOf comes for it.
  promise.catch(() => undefined)
  let cancelled: Error | undefined
  child.on('close', code => {
    if (cancelled === undefined) resolve({ code, stderr: stderr.trim().split('\n').slice(-6).join('\n') })
    else reject(new DrydockError('DD-CORE-007', 'expected the bundle to be unpacked, found it cancelled', 'run the import again if it was not meant', { cause: cancelled }))
  })
  child.on('error', failure => {
    // It is told at once and dies later; who hears of its end may empty what it wrote into.
    if (failure.name === 'AbortError') cancelled = failure
    else reject(failure)
  })
  return promise
}

/** The plan, at the pace at which the child reads it. A child that has died takes no more; resultOf says why. */
async function feed(child: ChildProcess, begins: number | null, { offset, plan, last }: Stretch): Promise<void> {
  const stdin = child.stdin!
  stdin.on('error', () => undefined)
  // Never events.once: that fails when the child or its pipe does, and resultOf says why.
  const closed = new Promise<void>(resolve => child.once('close', () => resolve()))
  stdin.write(`${JSON.stringify({ offset: begins === null ? null : begins + offset, last })}\n`)
  let lines = ''
  for (const planned of plan) {
    lines += planLine(planned)
    if (lines.length < 64 * 1024) continue
    if (stdin.destroyed) return
    if (!stdin.write(lines)) await Promise.race([new Promise<void>(resolve => stdin.once('drain', resolve)), closed])
    lines = ''
  }
  stdin.end(lines)
}
