import type { FileHandle } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { DrydockError } from '../../appliance/core/error.ts'

/** Bytes read from the disk at a time. */
const STREAM_BYTES = 256 * 1024
/** Pairs of buffers kept for the next answer: 8 MiB. */
const KEPT_PAIRS = 16

type Pair = [Buffer, Buffer]
const free: Pair[] = []

/**
 * Sends bytes `start` to `end` (inclusive) of an open file as the body of an answer, and ends it: one piece is read while the one before
 * goes out. Both lie in buffers that are used again and again: a new one for every read makes V8 collect the whole heap for each
 * 64 MiB served, which cost more than reading, encrypting and sending them.
 * @param begin asked for the answer, with its head set, once the first bytes are read: a disk that fails at once can be told of
 * @throws DD-CORE-005 when the file ends early, DD-CORE-007 when the client has gone, or what the disk says
 */
export async function streamFile(handle: FileHandle, { start, end }: { start: number; end: number }, begin: () => ServerResponse): Promise<void> {
  const pair = free.pop() ?? [Buffer.allocUnsafeSlow(STREAM_BYTES), Buffer.allocUnsafeSlow(STREAM_BYTES)]
  let response: ServerResponse | undefined
  let sent: Promise<void> = Promise.resolve()
  let [next, other] = pair
  for (let at = start; at <= end; [next, other] = [other, next]) {
    const { bytesRead } = await handle.read(next, 0, Math.min(STREAM_BYTES, end + 1 - at), at)
    if (bytesRead === 0) throw new DrydockError('DD-CORE-005', `expected a file of ${end + 1} bytes at least in the blob store, found its end at ${at}`, 'the disk or somebody changed it: import the bundle that brought it again, which puts the right bytes back')
    await sent
    sent = written((response ??= begin()), next.subarray(0, bytesRead))
    // It is waited for in the next round; a read that fails before that must not leave it alone.
    sent.catch(() => undefined)
    at += bytesRead
  }
  await sent
  ;(response ?? begin()).end()
  // Only now: after a failure the socket may still hold on to them.
  if (free.length < KEPT_PAIRS) free.push(pair)
}

/** Settles when the bytes are out of the buffer, or will never be. */
async function written(response: ServerResponse, bytes: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const gone = (): void => reject(new DrydockError('DD-CORE-007', 'expected the client to take the whole answer, found it gone', 'it asks again when it still wants it'))
    if (response.destroyed) return gone()
    response.once('close', gone)
    response.write(bytes, failure => {
      response.off('close', gone)
      if (failure === null || failure === undefined) resolve()
      else reject(failure)
    })
  })
}
