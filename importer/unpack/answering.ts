import { dirname } from 'node:path'
import { printable } from '../../appliance/core/printable.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import type { MediaFile, OpenMedia } from './open-volume.ts'

/**
 * How long the head of a volume may make no progress. A disc that has to start, and a sector that the drive tries again and again, take
 * half a minute.
 */
export const ANSWER_MS = 60_000

/** What lies on one device as far as a source tells: a medium by its serial, files by their folder. */
export function placeOf(source: string): string {
  return /^medium:[^/]*/.exec(source)?.[0] ?? dirname(source)
}

/**
 * Media that must go on answering while a head is read from them. A device that hangs cannot be told to give up: the kernel waits for it,
 * and a thread of ours, or a reader that not even SIGKILL ends, waits in there. So it is left behind, and nothing else is read from that
 * place before it has ended; otherwise every try would cost another thread, and there are four.
 * @throws DD-MEDIA-006, DD-CORE-007 when `signal` came first
 */
export function answering(openMedia: OpenMedia, waitMs = ANSWER_MS): OpenMedia {
  const stuck = new Set<string>()
  return async (source, signal) => {
    const place = placeOf(source)
    if (stuck.has(place)) throw silent(source, 'one that has not answered to an earlier read yet')
    let isStuck = false

    async function answered<T>(reading: Promise<T>): Promise<T> {
      const { promise: left, resolve: leave } = Promise.withResolvers<DrydockError>()
      const timer = setTimeout(() => leave(silent(source, `nothing for ${waitMs / 1000} s`)), waitMs)
      const abort = (): void => leave(cancelled())
      signal?.addEventListener('abort', abort, { once: true })
      if (signal?.aborted === true) abort()
      try {
        const outcome = await Promise.race([reading.then(value => ({ value })), left])
        if (!(outcome instanceof DrydockError)) return outcome.value
        isStuck = true
        stuck.add(place)
        reading.catch(() => undefined).finally(() => stuck.delete(place))
        throw outcome
      } finally {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
      }
    }

    const opening = openMedia(source)
    const media: MediaFile = await answered(opening).catch((failure: unknown) => {
      if (isStuck) opening.then(late => late.close(), () => undefined).catch(() => undefined)
      throw failure
    })
    return {
      ...media,
      head: { read: into => answered(media.head.read(into)) },
      async close() {
        const closing = media.close()
        closing.catch(() => undefined)
        if (!isStuck) await closing
      },
    }
  }
}

function silent(source: string, found: string): DrydockError {
  return new DrydockError(
    'DD-MEDIA-006', `expected ${printable(source)} to be read, found ${found}`,
    'the medium or its drive hangs: pull it and plug it in again, if need be in another drive; what comes from elsewhere is not held up by it',
  )
}

function cancelled(): DrydockError {
  return new DrydockError('DD-CORE-007', 'expected to read the medium, found it cancelled', 'run the import again if it was not meant')
}
