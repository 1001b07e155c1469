import { syncFolder } from './durable-file.ts'
import { runProgram } from './run-program.ts'

/** Above this many files or folders one `sync -f` of their file system is cheaper than an fsync for each. */
export const SYNC_FILE_SYSTEM_FROM = 128

/** Everything that was written to the file system of `path` is on the disk when this returns (syncfs(2), which Node does not have). */
export async function syncFileSystem(path: string): Promise<void> {
  await runProgram('sync', { args: ['-f', path], package: 'coreutils' })
}

/** Makes renames and new names last in folders of one file system. */
export async function syncFolders(folders: Iterable<string>): Promise<void> {
  const all = [...folders]
  if (all.length >= SYNC_FILE_SYSTEM_FROM) return await syncFileSystem(all[0]!)
  for (const folder of all) await syncFolder(folder)
}
