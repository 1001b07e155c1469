import { createHash, type Hash } from 'node:crypto'
import { constants, lstatSync, renameSync } from 'node:fs'
import { StagedFile } from './staged-file.ts'
import type { Target } from './planned-line.ts'

/** Blobs that are open at one time while parts of them are written. */
const OPEN_TARGETS = 16
const ANY_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW

type Joined = { file: StagedFile; digest: Hash; at: number }

/** Blobs that parts are written into, each under `<hex>.joining` until all of it is known to be right. */
export class Joining {
  readonly #folder: string
  readonly #open = new Map<string, Joined>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /**
   * These bytes of a part that is `size` bytes long go to each target, as often as it occurs there; they are its bytes from `at` on. A part
   * goes to its place before it is known to be the right one, so a blob gets its name only when all of it has its digest: here, when all of
   * it comes in one pass, otherwise by the parent, who reads it once more.
   * @param paged when the bytes begin at a page of memory
   */
  async write(targets: readonly Target[], bytes: Buffer, at: number, size: number, paged: boolean): Promise<void> {
    for (const { hex, offset, count, whole } of targets) {
      const joined = await this.#joined(hex)
      for (let time = 0; time < count; time++) {
        const position = offset + time * size + at
        const writing = joined.file.write(bytes, position, paged)
        writing.catch(() => undefined)
        if (whole !== undefined && joined.at === position) {
          joined.digest.update(bytes)
          joined.at += bytes.length
        }
        await writing
      }
      if (whole !== undefined && joined.at === whole) await this.#name(hex, joined)
    }
  }

  async close(): Promise<void> {
    for (const { file } of this.#open.values()) await file.close()
    this.#open.clear()
  }

  /** The one that was opened first makes room: parts of a blob come one after the other. What was hashed of it is forgotten. */
  async #joined(hex: string): Promise<Joined> {
    const known = this.#open.get(hex)
    if (known !== undefined) return known
    if (this.#open.size >= OPEN_TARGETS) {
      const [oldest] = this.#open
      this.#open.delete(oldest![0])
      await oldest![1].file.close()
    }
    const joined = { file: await StagedFile.open(`${this.#folder}/${hex}.joining`, ANY_FILE), digest: createHash('sha256'), at: 0 }
    this.#open.set(hex, joined)
    return joined
  }

  /** Another blob than was signed stays as it is: the parent finds out whose fault that is. */
  async #name(hex: string, joined: Joined): Promise<void> {
    this.#open.delete(hex)
    await joined.file.close()
    const path = `${this.#folder}/${hex}.joining`
    // What an earlier pass left behind its end was not hashed.
    if (joined.digest.digest('hex') === hex && lstatSync(path).size === joined.at) renameSync(path, `${this.#folder}/${hex}`)
  }
}
