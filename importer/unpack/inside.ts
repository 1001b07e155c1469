import { createHash } from 'node:crypto'
import { closeSync, constants, openSync, read, readSync, unlinkSync, writeSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { asDrydockError, DrydockError } from '../../appliance/core/error.ts'
import { fileSource, readVolume, type VolumeReader } from '../../bundles/archive/reader.ts'
import { unfold } from './zstd-frame.ts'

/**
 * The confined program. It sees three things: the plan on standard input (`{"offset":…}`, null for a pipe that begins with the payload, then the lines of plan.ts, `<name> <size> <keep 0|1> <-|size:hex> [<hex>@<offset>*<count> …]`,
 * in the order of the signed index), the media as descriptor 3, and /staging. It tells what it does as JSON lines on standard output.
 * It imports as little as it can: what is not here cannot be turned against us.
 */
const MEDIA = 3
/** Contents up to this size are written by plain synchronous calls: cheaper than three trips to the thread pool. */
const SMALL_BYTES = 256 * 1024
/**
 * A large content is pushed to the disk while more of it comes in, so that the barrier at the end finds little left. The parent does
 * it: Node's permission model has no fdatasync.
 */
const FLUSH_BYTES = 64 * 1024 * 1024
const REPORT_MS = 250
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

type Target = { hex: string; offset: number; count: number }
type Planned = { name: string; hex: string; size: number; keep: boolean; content: { size: number; hex: string } | undefined; targets: Target[] }
/** Blobs that are open at one time while parts of them are written. */
const OPEN_TARGETS = 16

let done = 0
let kept = 0
let reported = 0
/** Blobs that parts are being written into, by their names. */
const joining = new Map<string, FileHandle>()
let unflushed = 0

try {
  const lines = linesOf(0)
  const { offset } = JSON.parse(lines.next().value ?? '{}') as { offset: number | null }
  await unpack(readVolume(mediaFrom(offset)), lines)
  report({ finished: true, done, kept, peakKiB: process.resourceUsage().maxRSS })
} catch (failure) {
  const error = asDrydockError(failure)
  report({ error: error.toJSON(), ...(error.cause instanceof Error ? { cause: error.cause.message.slice(0, 500) } : {}) })
}

async function unpack(volume: VolumeReader, lines: Iterable<string>): Promise<void> {
  for (const line of lines) {
    const planned = plannedOf(line)
    const before = done
    await take(volume, planned)
    advance(before + planned.size - done)
  }
  await closeTargets()
  const extra = await volume.entry()
  if (extra !== undefined) throw wrongEntry('the end of the archive', JSON.stringify(extra.name))
}

function plannedOf(line: string): Planned {
  const [name = '', size = '', keep = '', content = '-', ...targets] = line.split(' ')
  return {
    name, hex: name.slice(-64), size: Number(size), keep: keep === '1',
    content: content === '-' ? undefined : { size: Number(content.slice(0, -65)), hex: content.slice(-64) },
    targets: targets.map(target => ({ hex: target.slice(0, 64), offset: Number(target.slice(65, target.indexOf('*'))), count: Number(target.slice(target.indexOf('*') + 1)) })),
  }
}

async function take(volume: VolumeReader, planned: Planned): Promise<void> {
  const { name } = planned
  const entry = await volume.entry()
  if (entry?.name !== name || entry.size !== planned.size) {
    throw wrongEntry(`${name} (${planned.size} bytes)`, entry === undefined ? 'the end of the archive' : `${JSON.stringify(entry.name)} (${entry.size} bytes)`)
  }
  const path = `/staging/${planned.hex}`
  const hex = planned.content !== undefined ? await writeChunk(volume, planned, planned.content) : planned.targets.length > 0 ? await writePiece(volume, planned) : !planned.keep ? await hashOnly(volume) : planned.size <= SMALL_BYTES ? await writeSmall(volume, path) : await writeLarge(volume, path, planned.hex)
  if (hex !== planned.hex) {
    if (planned.keep && planned.content === undefined) unlinkSync(path)
    throw new DrydockError('DD-BUNDLE-008', `expected ${name} to have sha256:${planned.hex}, found sha256:${hex}`, 'the copy is damaged: copy the bundle again from where it was built')
  }
  kept += (planned.keep ? planned.size : 0) + (planned.content?.size ?? planned.size) * planned.targets.reduce((times, { count }) => times + count, 0)
}

/** What the store holds already is not written again, but still checked: a damaged medium is reported, never "successful". */
async function hashOnly(volume: VolumeReader): Promise<string> {
  const hash = createHash('sha256')
  for (let chunk = await volume.chunk(); chunk !== undefined; chunk = await volume.chunk()) hash.update(chunk)
  return hash.digest('hex')
}

async function writeSmall(volume: VolumeReader, path: string): Promise<string> {
  const hash = createHash('sha256')
  const file = openSync(path, NEW_FILE, 0o600)
  try {
    for (let chunk = await volume.chunk(); chunk !== undefined; chunk = await volume.chunk()) {
      hash.update(chunk)
      for (let at = 0; at < chunk.length; ) at += writeSync(file, chunk, at)
    }
  } finally {
    closeSync(file)
  }
  return hash.digest('hex')
}

/** The thread pool writes this chunk and reads the next one while this thread hashes. */
async function writeLarge(volume: VolumeReader, path: string, hex: string): Promise<string> {
  const hash = createHash('sha256')
  const file = await open(path, NEW_FILE, 0o600)
  let unflushed = 0
  try {
    for (let chunk = await volume.chunk(); chunk !== undefined; chunk = await volume.chunk()) {
      const writing = writeAll(file, chunk)
      writing.catch(() => undefined)
      hash.update(chunk)
      await writing
      advance(chunk.length)
      unflushed += chunk.length
      if (unflushed >= FLUSH_BYTES) {
        report({ done, kept, flush: hex })
        unflushed = 0
      }
    }
  } finally {
    await file.close()
  }
  return hash.digest('hex')
}

/**
 * A piece goes to its place in each blob that has it, before it is known to be the right one: the blob is kept only when all of it was
 * read again by the parent and has its own digest. Other volumes may have written other pieces, so the file may be there.
 */
async function writePiece(volume: VolumeReader, { size, targets }: Planned): Promise<string> {
  const hash = createHash('sha256')
  let at = 0
  for (let chunk = await volume.chunk(); chunk !== undefined; chunk = await volume.chunk()) {
    const writing = writeTargets(targets, chunk, at, size)
    writing.catch(() => undefined)
    hash.update(chunk)
    await writing
    at += chunk.length
    advance(chunk.length)
  }
  return hash.digest('hex')
}

/**
 * A chunk is small enough to be held, so it is unfolded only when its bytes are those that were signed, and written only when what it
 * unfolds to is. In a set with parity its compressed bytes stay too.
 */
async function writeChunk(volume: VolumeReader, { name, hex, size, keep, targets }: Planned, content: NonNullable<Planned['content']>): Promise<string> {
  const frame = Buffer.allocUnsafe(size)
  let filled = 0
  for (let chunk = await volume.chunk(); chunk !== undefined; chunk = await volume.chunk()) filled += chunk.copy(frame, filled)
  const found = createHash('sha256').update(frame).digest('hex')
  if (found !== hex) return found
  const bytes = unfold(name, frame, content.size)
  const unfolded = createHash('sha256').update(bytes).digest('hex')
  if (unfolded !== content.hex) throw new DrydockError('DD-BUNDLE-030', `expected ${name} to unfold to sha256:${content.hex}, found sha256:${unfolded}`, 'the bundle was built wrong, though it is signed: build it again, and find out who changed the builder')
  await writeTargets(targets, bytes, 0, content.size)
  if (keep) writeWhole(`/staging/${hex}`, frame)
  return found
}

function writeWhole(path: string, bytes: Buffer): void {
  const file = openSync(path, NEW_FILE, 0o600)
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
  } finally {
    closeSync(file)
  }
}

/** The part that is `size` bytes long goes to each target, as often as it occurs there; these are its bytes from `at` on. */
async function writeTargets(targets: readonly Target[], bytes: Buffer, at: number, size: number): Promise<void> {
  for (const { hex, offset, count } of targets) {
    const file = joining.get(hex) ?? (await openTarget(hex))
    for (let time = 0; time < count; time++) {
      await writeAll(file, bytes, offset + time * size + at)
      unflushed += bytes.length
      if (unflushed < FLUSH_BYTES) continue
      report({ done, kept, flush: `${hex}.joining` })
      unflushed = 0
    }
  }
}

/** The one that was opened first makes room: parts of a blob come one after the other. */
async function openTarget(hex: string): Promise<FileHandle> {
  if (joining.size >= OPEN_TARGETS) {
    const [oldest] = joining
    joining.delete(oldest![0])
    await oldest![1].close()
  }
  const file = await open(`/staging/${hex}.joining`, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
  joining.set(hex, file)
  return file
}

async function closeTargets(): Promise<void> {
  for (const file of joining.values()) await file.close()
  joining.clear()
}

async function writeAll(file: FileHandle, chunk: Buffer, position: number | null = null): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at, chunk.length - at, position === null ? null : position + at)).bytesWritten
}

function mediaFrom(offset: number | null): ReturnType<typeof fileSource> {
  return fileSource({ read: (offset === null ? readPipe : readMedia) as FileHandle['read'] }, offset)
}

/** A pipe gives 64 KiB at a time; hashing and writing go by whole buffers. */
async function readPipe(into: Uint8Array, at: number, length: number): Promise<{ bytesRead: number; buffer: Uint8Array }> {
  let have = 0
  while (have < length) {
    const { bytesRead } = await readMedia(into, at + have, length - have, null)
    if (bytesRead === 0) break
    have += bytesRead
  }
  return { bytesRead: have, buffer: into }
}

/** Descriptor 3 is handed in open; there is no path by which it could be opened again. */
async function readMedia(into: Uint8Array, at: number, length: number, position: number | null): Promise<{ bytesRead: number; buffer: Uint8Array }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ bytesRead: number; buffer: Uint8Array }>()
  read(MEDIA, into, at, length, position, (failure, bytesRead) => (failure === null ? resolve({ bytesRead, buffer: into }) : reject(failure)))
  return await promise
}

function wrongEntry(expected: string, found: string): DrydockError {
  return new DrydockError('DD-BUNDLE-007', `expected ${expected} next in the volume, found ${found}`, 'this file was changed after it was built, or is not a Drydock bundle; fetch it again')
}

function advance(bytes: number): void {
  done += bytes
  if (Date.now() - reported >= REPORT_MS) report({ done, kept })
}

function report(line: object): void {
  reported = Date.now()
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at)
}

/** Lines of a descriptor as they are needed: a million of them need no more memory than ten. */
function* linesOf(file: number): Generator<string, undefined> {
  const buffer = Buffer.alloc(64 * 1024)
  let rest = ''
  for (;;) {
    const length = readSync(file, buffer)
    if (length === 0) return
    const parts = (rest + buffer.toString('latin1', 0, length)).split('\n')
    rest = parts.pop()!
    yield* parts
  }
}
