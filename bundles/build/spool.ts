import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAll } from '../../appliance/core/durable-file.ts'

/**
 * Chunks as they will stand in the volumes, between the moment in which their digests are known and the one in which the volumes are
 * written. A file without a name in the workspace: it is gone with this process, however that ends.
 */
export type Spool = {
  handle: FileHandle
  /** @returns where the bytes begin. */
  add(bytes: Uint8Array): Promise<number>
}

export async function openSpool(folder: string): Promise<Spool> {
  const path = join(folder, `.${randomBytes(12).toString('hex')}.spool`)
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
  await unlink(path)
  let size = 0
  return {
    handle,
    async add(bytes) {
      await writeAll(handle, bytes)
      size += bytes.length
      return size - bytes.length
    },
  }
}
