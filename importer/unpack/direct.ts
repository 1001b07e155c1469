import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { isErrno } from '../../appliance/core/error.ts'
import { pages } from '../../appliance/core/pages.ts'

/** What direct reads and writes (O_DIRECT, open(2)) begin and end at, in the file and in memory: a page, which no device's blocks exceed. */
export const BLOCK_BYTES = 4096

/**
 * The same open file once more, for reads that pass by the kernel's page cache: a bundle is read once, and the cache is better filled with
 * what clients ask for. Undefined where the file system has no such reads.
 */
export async function reopenedDirect(file: FileHandle): Promise<FileHandle | undefined> {
  const direct = await open(`/proc/self/fd/${file.fd}`, constants.O_RDONLY | constants.O_DIRECT).catch(() => undefined)
  if (direct === undefined) return undefined
  try {
    // Some file systems open a file for direct reads and then have none. What else may be wrong with it is found by who reads all of it.
    await direct.read(pages(BLOCK_BYTES), 0, BLOCK_BYTES, 0)
  } catch (failure) {
    if (isErrno(failure, 'EINVAL')) {
      await direct.close()
      return undefined
    }
  }
  return direct
}
