import { createHash } from 'node:crypto'
import { closeSync, constants, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { asDrydockError, DrydockError } from '../../appliance/core/error.ts'
import { pages } from '../../appliance/core/pages.ts'
import { readVolume, type VolumeReader } from '../../bundles/archive/reader.ts'
import { Joining } from './joining.ts'
import { mediumFrom } from './medium.ts'
import { keptNameOf, plannedOf, type Planned } from './planned-line.ts'
import { StagedFile } from './staged-file.ts'
import { unfold } from './zstd-frame.ts'

/**
 * The confined program. It sees three things: the plan on standard input (`{"offset":…,"last":…}`: where its stretch of the payload begins, null for a pipe that
 * begins with it, and whether the archive ends behind it; then the lines of plan.ts, `<name> <size> <keep 0|1> <-|size:hex> [<hex>@<offset>*<count>[=<whole>] …]`, in the order of the signed index), the
 * media as descriptor 3, and /staging. It tells what it does as JSON lines on standard output.
 * It imports as little as it can: what is not here cannot be turned against us.
 */
const STAGING = '/staging'
/** Contents up to this size are written by plain synchronous calls: cheaper than three trips to the thread pool. */
const SMALL_BYTES = 256 * 1024
const LUMP_BYTES = 1024 * 1024
const REPORT_MS = 250
/** As it will have it in the store, so that 200,000 files need not be told one by one. */
const BLOB_MODE = 0o440
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

let done = 0
let kept = 0
let reported = 0
const joining = new Joining(STAGING)
/** While one is written the other is filled and hashed. */
const lumps = [pages(LUMP_BYTES), pages(LUMP_BYTES)] as const

try {
  const lines = linesOf(0)
  const { offset, last } = JSON.parse(lines.next().value ?? '{}') as { offset: number | null; last: boolean }
  await unpack(readVolume(mediumFrom(offset), offset ?? 0), lines, last)
  report({ finished: true, done, kept, peakKiB: process.resourceUsage().maxRSS })
} catch (failure) {
  const error = asDrydockError(failure)
  report({ error: error.toJSON(), ...(error.cause instanceof Error ? { cause: error.cause.message.slice(0, 500) } : {}) })
}

async function unpack(volume: VolumeReader, lines: Iterable<string>, last: boolean): Promise<void> {
  for (const line of lines) {
    const planned = plannedOf(line)
    const before = done
    await take(volume, planned)
    advance(before + planned.size - done)
  }
  await joining.close()
  if (!last) return
  const extra = await volume.entry()
  if (extra !== undefined) throw wrongEntry('the end of the archive', JSON.stringify(extra.name))
}

async function take(volume: VolumeReader, planned: Planned): Promise<void> {
  const { name, targets } = planned
  if (!(await volume.begins(planned))) {
    const entry = await volume.entry()
    throw wrongEntry(`${name} (${planned.size} bytes)`, entry === undefined ? 'the end of the archive' : `${JSON.stringify(entry.name)} (${entry.size} bytes)`)
  }
  const path = `${STAGING}/${keptNameOf(planned)}`
  const hex = planned.content !== undefined ? await writeChunk(volume, planned, planned.content, path) : targets.length > 0 ? await writePiece(volume, planned) : !planned.keep ? await hashOnly(volume) : planned.size <= SMALL_BYTES ? await writeSmall(volume, path) : await writeLarge(volume, path)
  if (hex !== planned.hex) {
    if (planned.keep && planned.content === undefined) unlinkSync(path)
    throw new DrydockError('DD-BUNDLE-008', `expected ${name} to have sha256:${planned.hex}, found sha256:${hex}`, 'the copy is damaged: copy the bundle again from where it was built')
  }
  kept += (planned.keep ? planned.size : 0) + (planned.content?.size ?? planned.size) * targets.reduce((times, { count }) => times + count, 0)
}

/** What the store holds already is not written again, but still checked: a damaged medium is reported, never "successful". */
async function hashOnly(volume: VolumeReader): Promise<string> {
  const hash = createHash('sha256')
  for (let chunk = await volume.chunk(); chunk !== undefined; chunk = await volume.chunk()) hash.update(chunk)
  return hash.digest('hex')
}

async function writeSmall(volume: VolumeReader, path: string): Promise<string> {
  const hash = createHash('sha256')
  const file = openSync(path, NEW_FILE, BLOB_MODE)
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

async function writeLarge(volume: VolumeReader, path: string): Promise<string> {
  const file = await StagedFile.open(path, NEW_FILE)
  try {
    return await inLumps(volume, (lump, at) => file.write(lump, at, true))
  } finally {
    await file.close()
  }
}

/** Other volumes may have written other pieces, so the file may be there. */
async function writePiece(volume: VolumeReader, { size, targets }: Planned): Promise<string> {
  return await inLumps(volume, (lump, at) => joining.write(targets, lump, at, size, true))
}

/** The thread pool writes one lump and reads ahead while this thread fills and hashes the other. @returns the digest of all of them */
async function inLumps(volume: VolumeReader, write: (lump: Buffer, at: number) => Promise<void>): Promise<string> {
  const hash = createHash('sha256')
  let writing = Promise.resolve()
  let at = 0
  for (let k = 0; ; k = 1 - k) {
    const lump = await filled(volume, lumps[k]!)
    hash.update(lump)
    await writing
    if (lump.length === 0) return hash.digest('hex')
    writing = write(lump, at)
    writing.catch(() => undefined)
    at += lump.length
    advance(lump.length)
  }
}

async function filled(volume: VolumeReader, into: Buffer): Promise<Buffer> {
  let have = 0
  while (have < into.length) {
    const chunk = await volume.chunk(into.length - have)
    if (chunk === undefined) break
    have += chunk.copy(into, have)
  }
  return into.subarray(0, have)
}

/**
 * A chunk is small enough to be held, so it is unfolded only when its bytes are those that were signed, and written only when what it
 * unfolds to is. In a set with parity its compressed bytes stay too.
 */
async function writeChunk(volume: VolumeReader, { name, hex, size, keep, targets }: Planned, content: NonNullable<Planned['content']>, path: string): Promise<string> {
  const frame = Buffer.allocUnsafe(size)
  let have = 0
  for (let chunk = await volume.chunk(); chunk !== undefined; chunk = await volume.chunk()) have += chunk.copy(frame, have)
  const found = createHash('sha256').update(frame).digest('hex')
  if (found !== hex) return found
  const bytes = unfold(name, frame, content.size)
  const unfolded = createHash('sha256').update(bytes).digest('hex')
  if (unfolded !== content.hex) throw new DrydockError('DD-BUNDLE-030', `expected ${name} to unfold to sha256:${content.hex}, found sha256:${unfolded}`, 'the bundle was built wrong, though it is signed: build it again, and find out who changed the builder')
  await joining.write(targets, bytes, 0, content.size, false)
  if (keep) writeWhole(path, frame)
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
