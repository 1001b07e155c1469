import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { isErrno } from '../../appliance/core/error.ts'
import { BLOCK_BYTES } from './direct.ts'

/** Of the file system that staging lies on: found out by the first file. */
let hasDirectWrites = true

/**
 * A large file that is being written. Whole blocks from memory that begins at a page go to the disk directly: no page cache is filled with
 * what is read once at most, none has to be written back at the barrier, and the processor is free to hash. The rest, the last bytes
 * of a file and what lies at odd places, goes through the cache.
 */
export class StagedFile {
  readonly #path: string
  #direct: FileHandle | undefined
  #cached: FileHandle | undefined

  private constructor(path: string) {
    this.#path = path
  }

  /** @param flags for the one open call that may make the file */
  static async open(path: string, flags: number): Promise<StagedFile> {
    const file = new StagedFile(path)
    if (hasDirectWrites) {
      file.#direct = await open(path, flags | constants.O_DIRECT, 0o600).catch((failure: unknown) => {
        // It may have been made all the same.
        if (!isErrno(failure, 'EINVAL')) throw failure
        hasDirectWrites = false
        return undefined
      })
    }
    if (file.#direct === undefined) file.#cached = await open(path, flags & ~constants.O_EXCL, 0o600)
    return file
  }

  /** @param bytes valid until this returns; `paged` when they begin at a page of memory */
  async write(bytes: Buffer, position: number, paged: boolean): Promise<void> {
    const blocks = paged && position % BLOCK_BYTES === 0 ? bytes.length - (bytes.length % BLOCK_BYTES) : 0
    const written = blocks > 0 ? await this.#writeDirect(bytes.subarray(0, blocks), position) : 0
    if (written < bytes.length) await this.#writeCached(bytes.subarray(written), position + written)
  }

  async close(): Promise<void> {
    await this.#direct?.close()
    await this.#cached?.close()
  }

  /** @returns how many were written; the rest is for the cache */
  async #writeDirect(blocks: Buffer, position: number): Promise<number> {
    for (let at = 0; this.#direct !== undefined && hasDirectWrites; ) {
      // Memory must go on at a page, so a short write ends it.
      if (at === blocks.length || at % BLOCK_BYTES !== 0) return at
      try {
        at += (await this.#direct.write(blocks, at, blocks.length - at, position + at)).bytesWritten
      } catch (failure) {
        if (!isErrno(failure, 'EINVAL')) throw failure
        hasDirectWrites = false
        return at
      }
    }
    return 0
  }

  async #writeCached(bytes: Buffer, position: number): Promise<void> {
    const file = (this.#cached ??= await open(this.#path, constants.O_WRONLY | constants.O_NOFOLLOW))
    for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten
  }
}
