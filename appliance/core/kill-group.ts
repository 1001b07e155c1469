import type { ChildProcess } from 'node:child_process'
import { isErrno } from './error.ts'

/**
 * Ends a sandbox that was started `detached`, as the whole group that it is. Bubblewrap's child binds its life to its parent's only after it
 * was started: killing the parent alone in that moment (some milliseconds) would leave the child, and what runs in it, for ever.
 */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch (failure) {
    if (!isErrno(failure, 'ESRCH')) throw failure
  }
}
