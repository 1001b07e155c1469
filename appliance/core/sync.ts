import { syncFolder } from './durable-file.ts'
import { asDrydockError, DrydockError } from './error.ts'
import { runProgram } from './run-program.ts'

/** Above this many files or folders one `sync -f` of their file system is cheaper than an fsync for each. */
export const SYNC_FILE_SYSTEM_FROM = 128

/** strerror(3) in the locale of programEnvironment, of what a write that came too late may have met: those of `asDrydockError`. */
const SAYS = [
  ['Input/output error', 'EIO'], ['No data available', 'ENODATA'], ['Link has been severed', 'ENOLINK'], ['Invalid or incomplete multibyte or wide character', 'EILSEQ'],
  ['No space left on device', 'ENOSPC'], ['Disk quota exceeded', 'EDQUOT'],
] as const
type Lost = (typeof SAYS)[number][1]

/** How often syncs of this process were told that a write failed, since it began, and why the last one had; and those that are under way. */
let told: { times: number; why: Lost } = { times: 0, why: 'EIO' }
const underWay = new Set<Promise<void>>()

/** Everything that was written to the file system of `path` is on the disk when this returns (syncfs(2), which Node does not have). @throws DD-CORE-002, DD-CORE-003 */
export async function syncFileSystem(path: string): Promise<void> {
  const sync = runSync(path)
  underWay.add(sync)
  await sync.finally(() => underWay.delete(sync))
}

/**
 * A barrier for all that is written to the file system of `path` from now on: when it returns, all of it is on the disk.
 *
 * A `sync -f` at the end would not do. The kernel remembers of a whole file system that some write to it failed, and tells of that whoever
 * had it open then, but of those who open it later only the first who asks (errseq_t in the kernel's lib/errseq.c; `sync -f` opens it anew
 * each time). The first may be the sync of another import, or one in the middle of this. So the syncs of this process tell one another:
 * whichever was told, everybody whose bytes it may have been fails. A sync that another program runs on this file system is not heard of.
 * @throws DD-CORE-002, DD-CORE-003
 */
export function barrierFrom(path: string): () => Promise<void> {
  const before = told.times
  return async () => {
    await syncFileSystem(path)
    // One that began in the same moment may have been told first, and not have said so yet.
    await Promise.allSettled(underWay)
    if (told.times === before) return
    const { code, hint } = asOfTheDisk(told.why)
    throw new DrydockError(code, 'expected all that was written to be on the disk, found that the kernel failed to write something meanwhile', `${hint}; the kernel does not say whose bytes it lost, so nothing of that time is kept`)
  }
}

async function runSync(path: string): Promise<void> {
  try {
    await runProgram('sync', { args: ['-f', path], package: 'coreutils' })
  } catch (failure) {
    const why = whyItFailed(failure)
    if (why === undefined) throw failure
    told = { times: told.times + 1, why }
    throw asOfTheDisk(why, failure)
  }
}

/** What the kernel told `sync` of the writes before it; undefined when it was told nothing, because it never came to ask. */
function whyItFailed(failure: unknown): Lost | undefined {
  const { code, message, hint } = asDrydockError(failure)
  if (code !== 'DD-CORE-006') return undefined
  // Killed, it may have been told and not have said so.
  if (/found SIG\w+$/.test(message)) return 'EIO'
  if (!hint.includes('sync: error syncing ')) return undefined
  return SAYS.find(([said]) => hint.endsWith(`: ${said}`))?.[1] ?? 'EIO'
}

/** As such an error is told everywhere. */
function asOfTheDisk(why: Lost, cause?: unknown): DrydockError {
  return asDrydockError(Object.assign(new Error(`sync was told ${why}`, { cause }), { code: why }))
}

/** Makes renames and new names last in folders of one file system. */
export async function syncFolders(folders: Iterable<string>): Promise<void> {
  const all = [...folders]
  if (all.length >= SYNC_FILE_SYSTEM_FROM) return await syncFileSystem(all[0]!)
  for (const folder of all) await syncFolder(folder)
}
