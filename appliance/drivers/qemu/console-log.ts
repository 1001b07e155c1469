import { open, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { writeDurably } from '../../core/durable-file.ts'
import { isErrno } from '../../core/error.ts'
import { CONSOLE_TAIL_BYTES, CONSOLE_TRIM_BYTES } from './limits.ts'

/**
 *   console.log       what QEMU appends to; cut to nothing when it has grown, which is why QEMU opens it with O_APPEND
 *   console.earlier   the tail of what was cut
 */
export async function consoleTail(folder: string): Promise<string> {
  const now = await tail(join(folder, 'console.log'))
  const earlier = now.length < CONSOLE_TAIL_BYTES ? await tail(join(folder, 'console.earlier')) : Buffer.alloc(0)
  return Buffer.concat([earlier, now]).subarray(-CONSOLE_TAIL_BYTES).toString('utf8')
}

export async function trimConsole(folder: string): Promise<void> {
  const path = join(folder, 'console.log')
  const kept = await tail(path, CONSOLE_TRIM_BYTES)
  if (kept.length === 0) return
  await writeDurably(join(folder, 'console.earlier'), kept)
  await truncate(path, 0)
}

/** The last bytes of a file; nothing when it is no larger than `above`, or not there. */
async function tail(path: string, above = 0): Promise<Buffer> {
  try {
    await using handle = await open(path)
    const { size } = await handle.stat()
    if (size <= above) return Buffer.alloc(0)
    const length = Math.min(size, CONSOLE_TAIL_BYTES)
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.subarray(0, bytesRead)
  } catch (failure) {
    if (isErrno(failure, 'ENOENT')) return Buffer.alloc(0)
    throw failure
  }
}
