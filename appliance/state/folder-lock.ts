import { readFileSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { DrydockError } from '../core/error.ts'

/**
 * One process owns a data folder. The lock is SQLite's exclusive one on a file of its own, which is the kernel's (fcntl): it ends with
 * the process however that ends, so there is never a stale lock to delete. A file that holds a process id would need one.
 */
export function lockFolder(path: string, root: string): { release(): void } {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    throw new DrydockError('DD-STATE-003', `expected ${root} to be free, found it in use${ownerOf(path)}`, 'one appliance runs on a data folder: stop the other one first, or give another --data', { cause })
  }
  return {
    release() {
      database.close()
    },
  }
}

/** ` by process 4711`, when the kernel says so (/proc/locks: `1: POSIX ADVISORY WRITE 4711 08:01:1234 …`). */
function ownerOf(path: string): string {
  try {
    const { ino } = statSync(path)
    const line = readFileSync('/proc/locks', 'utf8').split('\n').find(each => each.includes(`:${ino} `))
    const pid = line?.trim().split(/\s+/)[4]
    return pid === undefined ? '' : ` by process ${pid}`
  } catch {
    return ''
  }
}
