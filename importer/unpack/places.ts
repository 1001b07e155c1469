import { printable } from '../../appliance/core/printable.ts'
import { DrydockError } from '../../appliance/core/error.ts'

/**
 * How long the head of a volume may make no progress. A disc that has to start, and a sector that the drive tries again and again, take
 * half a minute.
 */
export const ANSWER_MS = 60_000

/** Of the four threads that Node has for files, so many may wait for mounts that do not answer; the others go on for everything else. */
const THREADS = 2

export type Places = {
  /** What answers or hangs as one: a mount by its point, a medium in a drive by the drive. */
  of(source: string): string
  /** Reads from the place of a source, after what is being read there already. @throws DD-MEDIA-006, DD-CORE-007 when `signal` came first */
  answered<T>(what: { source: string; place: string; signal?: AbortSignal | undefined }, read: () => Promise<T>): Promise<T>
  /** Finds out what a path leads to: that alone may hang where it leads. @throws as `answered` */
  resolved<T>(source: string, signal: AbortSignal, resolve: () => Promise<T>): Promise<T>
}

/**
 * Places that must go on answering while something is read from them, one read at a time in each. What hangs cannot be told to give up: the
 * kernel waits for it, and a thread of ours, or a reader that not even SIGKILL ends, waits in there. So it is left behind, and until it has
 * ended the next one waits for it, as long as for a read of its own: what somebody cancelled was perhaps only slow.
 *
 * `placeOf` must not touch what it names. `own` is the disk of the appliance: where that hangs, nothing would be won by counting.
 */
export function readingPlaces({ placeOf, own, waitMs = ANSWER_MS }: { placeOf: (source: string) => string; own: string; waitMs?: number | undefined }): Places {
  const reading = new Map<string, Promise<void>>()
  /** Media have a reader of their own; everything else takes a thread. */
  const isCounted = (place: string): boolean => place.startsWith('/') && place !== own

  function inTheWay(place: string): { ended: Promise<void>; error: (source: string) => DrydockError } | undefined {
    const earlier = reading.get(place)
    if (earlier !== undefined) return { ended: earlier, error: source => silent(source, 'one that has not answered to an earlier read yet') }
    const others = isCounted(place) ? Array.from(reading).filter(([other]) => isCounted(other)) : []
    if (others.length < THREADS) return undefined
    return { ended: Promise.race(others.map(([, ended]) => ended)), error: source => crowded(source, others.map(([other]) => other)) }
  }

  async function answered<T>({ source, place, signal }: Parameters<Places['answered']>[0], read: () => Promise<T>): Promise<T> {
    const until = performance.now() + waitMs
    for (let other = inTheWay(place); other !== undefined; other = inTheWay(place)) {
      const { ended, error } = other
      await inTime(ended, { ms: until - performance.now(), error: () => error(source), signal })
    }
    if (signal?.aborted === true) throw cancelled()
    const one = read()
    const free = (): void => void reading.delete(place)
    reading.set(place, one.then(free, free))
    return await inTime(one, { ms: waitMs, error: () => silent(source, `nothing for ${waitMs / 1000} s`), signal })
  }

  return {
    of: placeOf,
    answered,
    async resolved(source, signal, resolve) {
      const place = placeOf(source)
      // It may be a link on our disk that leads to where nothing answers, which must not hold up what really lies here.
      return await answered({ source, place: place === own ? `links of ${own}` : place, signal }, resolve)
    },
  }
}

async function inTime<T>(waited: Promise<T>, { ms, error, signal }: { ms: number; error: () => DrydockError; signal: AbortSignal | undefined }): Promise<T> {
  const { promise: left, resolve: leave } = Promise.withResolvers<DrydockError>()
  const timer = setTimeout(() => leave(error()), ms)
  const abort = (): void => leave(cancelled())
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted === true) abort()
  try {
    const outcome = await Promise.race([waited.then(value => ({ value })), left])
    if (!(outcome instanceof DrydockError)) return outcome.value
    waited.catch(() => undefined)
    throw outcome
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

function silent(source: string, found: string): DrydockError {
  return new DrydockError(
    'DD-MEDIA-006', `expected ${printable(source)} to be read, found ${found}`,
    'the medium or its drive hangs: pull it and plug it in again, if need be in another drive; what comes from elsewhere is not held up by it',
  )
}

function crowded(source: string, others: readonly string[]): DrydockError {
  const names = others.map(printable).join(' and ')
  return new DrydockError(
    'DD-MEDIA-006', `expected ${printable(source)} to be read, found ${names} hanging, and no more than ${THREADS} may be waited for at once`,
    `pull what is mounted at ${names}, or as root run umount -f there, then run the import again; removable media that are not mounted and uploads are not held up`,
  )
}

function cancelled(): DrydockError {
  return new DrydockError('DD-CORE-007', 'expected to read the medium, found it cancelled', 'run the import again if it was not meant')
}
