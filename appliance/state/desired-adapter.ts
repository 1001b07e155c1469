import { link, rename, unlink } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { Adapter } from 'lowdb'
import { openDurable } from '../core/durable-file.ts'
import { asDrydockError, DrydockError, isErrno } from '../core/error.ts'
import { readPlainFile } from './data-folder.ts'
import { seal, unseal, type Envelope } from './envelope.ts'
import { isDiskFull, type Reserve } from './reserve.ts'

export type DesiredAdapterOptions = {
  path: string
  reserve: Reserve
  /** Called when the disk would not confirm a write: what is on it is unknown, so nothing may go on. Must not return. */
  stop: (error: DrydockError) => never
}

/** What the last `read` found. `fault` says which copy was not whole, when the other one had to do. */
export type DesiredAdapter = Adapter<unknown> & { readonly serial: number; readonly fault: string | null }

/**
 * lowdb's file adapter made to last. steno, which lowdb brings, never fsyncs, writes to a name that can be guessed, and takes a missing
 * file for an empty store. Here: write the new one beside it and sync → the present one becomes `.prev` → rename → sync the folder.
 * At every instant at least one of the two names is a whole file; `read` takes the one with the highest serial.
 */
export function desiredAdapter(options: DesiredAdapterOptions): DesiredAdapter {
  const { path } = options
  const previousPath = `${path}.prev`
  let last: Pick<Envelope, 'serial' | 'digest'> | null = null
  let fault: string | null = null

  async function writeOnce(text: string): Promise<void> {
    const writer = await openDurable(path)
    try {
      await writer.write(Buffer.from(text))
      // A damaged present file must not take the place of the good one that we went on with.
      if (last !== null && fault === null) await keepPrevious(path, previousPath)
      await writer.commit().catch((failure: unknown) => {
        if (isDiskFull(failure)) throw failure
        options.stop(new DrydockError('DD-STATE-006', 'expected the disk to confirm the new state, found a failed fsync', 'look at the disk (dmesg, smartctl), then start again: it opens the last whole state', { cause: failure }))
      })
    } finally {
      await writer.discard()
    }
  }

  return {
    get serial() {
      return last?.serial ?? 0
    },
    get fault() {
      return fault
    },
    async read() {
      const texts = [await readPlainFile(path), await readPlainFile(previousPath)]
      if (texts.every(text => text === undefined)) {
        throw new DrydockError('DD-STATE-004', `expected the desired state at ${path}, found none`, 'this appliance was initialised, so it is lost: restore state/ from a backup; it never starts empty')
      }
      const [current, previous] = texts.map(text => (text === undefined ? undefined : unseal(text)))
      const best = [current, previous].filter(each => each !== undefined).toSorted((a, b) => b.serial - a.serial)[0]
      if (best === undefined) {
        throw new DrydockError('DD-STATE-005', `expected desired.json or its previous copy to be whole, found neither (${path})`, 'restore state/ from a backup; nothing was changed')
      }
      fault = current === undefined ? `desired.json is ${texts[0] === undefined ? 'missing' : 'damaged'}; went on with the previous copy, serial ${best.serial}` : null
      last = best
      return best.body
    },
    async write(body) {
      const envelope = seal(body, (last?.serial ?? 0) + 1, last?.digest ?? null)
      const text = `${JSON.stringify(envelope)}\n`
      try {
        await writeOnce(text).catch(async (failure: unknown) => {
          if (!isDiskFull(failure) || !options.reserve.give()) throw failure
          await writeOnce(text)
        })
      } catch (failure) {
        throw asDrydockError(failure)
      }
      last = envelope
      fault = null
    },
  }
}

/** Gives the present file its second name. A hard link: there is no instant without a whole copy under the first one. */
async function keepPrevious(path: string, previousPath: string): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(12).toString('hex')}.tmp`)
  try {
    await link(path, temporary)
  } catch (failure) {
    // The present file was lost while we run; what `.prev` holds stays, and the write puts a whole file back.
    if (isErrno(failure, 'ENOENT')) return
    throw failure
  }
  await rename(temporary, previousPath)
  // rename() of two names of one file does nothing (POSIX), which leaves the temporary name.
  await unlink(temporary).catch(() => undefined)
}
