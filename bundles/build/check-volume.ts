import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { digestOf, digestOfHash, type Digest } from '../../appliance/core/digest.ts'
import { DrydockError, isErrno } from '../../appliance/core/error.ts'
import { readHead, readIndexParts, readVolume, readVolumeNumber, unexpected, type VolumeHead, type VolumeReader } from '../archive/index.ts'
import { entriesOfAny } from '../format/brought.ts'
import { parseIndex, type Index } from '../format/index-file.ts'
import type { PayloadEntry } from '../format/index-line.ts'
import type { Manifest } from '../format/manifest.ts'
import { parseManifest } from '../format/manifest-file.ts'
import { anewSource, openAnew } from './read-anew.ts'

/** A volume file as the connected side reads it: nobody's signature has been judged. `number` is which of its set it is, from 1. */
export type OpenedVolume = { head: VolumeHead; manifest: Manifest; manifestDigest: Digest; index: Index; indexParts: Buffer[]; volume: VolumeReader; number: number; /** What is read comes from the device and not from a cache. */ direct(): boolean; close(): Promise<void> }

/**
 * Manifest, signatures and index of a bundle file; the payload is still to be read.
 * @param judge looks at the signatures before anything else is parsed
 * @throws DD-BUNDLE-…
 */
export async function openBundle(path: string, judge?: (head: VolumeHead) => Promise<unknown>): Promise<OpenedVolume> {
  const found = await stat(path).catch((cause: unknown) => {
    throw notThere(path, isErrno(cause, 'ENOENT') ? 'no such file' : 'one that cannot be opened', cause)
  })
  if (found.isDirectory()) throw new DrydockError('DD-BUNDLE-017', `expected a bundle at ${path}, found a folder`, 'name the file in it: NAME-SEQUENCE.v1-of-1.drydock')
  const file = await openAnew(path).catch((cause: unknown) => {
    throw notThere(path, 'one that cannot be opened', cause)
  })
  try {
    const volume = readVolume(anewSource(file))
    const head = await readHead(volume)
    await judge?.(head)
    const manifest = parseManifest(head.manifest)
    const indexParts = await readIndexParts(volume, manifest.index)
    const index = parseIndex(manifest, indexParts)
    const number = await readVolumeNumber(volume, manifest, index.entries)
    return { head, manifest, manifestDigest: digestOf(head.manifest), index, indexParts, volume, number, direct: () => file.direct, close: () => file.close() }
  } catch (failure) {
    await file.close()
    throw failure
  }
}

function notThere(path: string, found: string, cause: unknown): DrydockError {
  return new DrydockError('DD-BUNDLE-017', `expected a bundle at ${path}, found ${found}`, 'check the path; bundles are named NAME-SEQUENCE.v1-of-1.drydock', { cause })
}

/** The content of the entry that must come next; the last step refuses it when the bytes are not what was signed. @throws DD-BUNDLE-007, 008 */
export async function* contentOf(volume: VolumeReader, expected: PayloadEntry): AsyncGenerator<Buffer> {
  const entry = await volume.entry()
  if (entry?.name !== expected.name || entry.size !== expected.size) {
    throw unexpected(`${expected.name} (${expected.size} bytes)`, entry === undefined ? 'the end of the archive' : `${JSON.stringify(entry.name)} (${entry.size} bytes)`)
  }
  const hash = createHash('sha256')
  for (let chunk = await volume.chunk(); chunk !== undefined; chunk = await volume.chunk()) {
    hash.update(chunk)
    yield chunk
  }
  const digest = digestOfHash(hash)
  if (digest !== expected.digest) {
    throw new DrydockError('DD-BUNDLE-008', `expected ${expected.name} to have ${expected.digest}, found ${digest}`, 'the copy is damaged: copy the bundle again')
  }
}

/** @throws DD-BUNDLE-007 when entries are left, DD-BUNDLE-006 when anything follows. */
export async function expectEnd(volume: VolumeReader): Promise<void> {
  const extra = await volume.entry()
  if (extra !== undefined) throw unexpected('the end of the archive', JSON.stringify(extra.name))
}

/** Reads the payload to the end of the volume: each entry must be the next of the index and have its digest. @throws DD-BUNDLE-003…008 */
export async function checkPayload(opened: OpenedVolume, options: { signal?: AbortSignal | undefined; progress?: (done: number, total: number) => void } = {}): Promise<void> {
  let done = 0
  const entries = entriesOfAny(opened.manifest, opened.index, opened.number)
  const total = entries.reduce((sum, { size }) => sum + size, 0)
  for (const expected of entries) {
    options.signal?.throwIfAborted()
    for await (const chunk of contentOf(opened.volume, expected)) options.progress?.((done += chunk.length), total)
  }
  await expectEnd(opened.volume)
}

/** Reads a volume back. @throws DD-BUNDLE-015 when the manifest on the medium is not the one that was written, DD-BUNDLE-003…008 */
export async function checkVolume(file: string, options: { signal?: AbortSignal | undefined; expected?: Uint8Array; progress?: (done: number, total: number) => void } = {}): Promise<OpenedVolume> {
  const opened = await openBundle(file)
  try {
    if (options.expected !== undefined && !opened.head.manifest.equals(options.expected)) {
      throw new DrydockError('DD-BUNDLE-015', `expected ${file} to begin with the manifest that was written, found another`, 'the medium or its reader is bad: write to another one')
    }
    await checkPayload(opened, options)
    return opened
  } finally {
    await opened.close()
  }
}
