import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** What a test of this folder mounts needs root and these devices; without them it says so. */
export const canMount = process.getuid?.() === 0 && existsSync('/dev/fuse') && existsSync('/dev/loop-control')

/** Runs a file of tests in a mount namespace of its own: what it mounts ends with it, also when it is killed. */
export function runInOwnMounts(file: string): void {
  if (!canMount) {
    process.stdout.write('TAP version 14\nok 1 - mounts of its own # SKIP needs root, /dev/fuse and loop devices\n1..1\n')
    return
  }
  const { status } = spawnSync('unshare', ['-m', '--propagation', 'private', process.execPath, file], { stdio: 'inherit' })
  process.exitCode = status ?? 1
}
