import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

const ELSEWHERE = '/run/drydock-checkout'
const OTHERS_MAY_ENTER = 0o001

/**
 * The appliance's user must be able to read the product. A clone under root's home (0700) cannot be, so the same command is run again
 * in a mount namespace of its own where the checkout also stands at a path open to all. Returns when nothing had to be done.
 */
export function enterReadableCheckout(checkout: string, script: string): void {
  if (process.getuid?.() !== 0 || everyParentIsOpen(checkout)) return
  mkdirSync(ELSEWHERE, { recursive: true, mode: 0o755 })
  const again = spawnSync(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-ec', 'mount --bind "$1" "$2"; cd "$2"; shift 2; exec "$@"', 'sh', checkout, ELSEWHERE, join(ELSEWHERE, 'node_modules/.bin/node'), join(ELSEWHERE, script), ...process.argv.slice(2)],
    { stdio: 'inherit', env: { ...process.env, PATH: `${ELSEWHERE}/node_modules/.bin:${process.env['PATH']}` } },
  )
  process.exit(again.status ?? 1)
}

/** Whether everybody may enter this folder, if it is there, and all above it. */
export function everyParentIsOpen(path: string): boolean {
  for (let here = path; ; here = dirname(here)) {
    if (existsSync(here) && (statSync(here).mode & OTHERS_MAY_ENTER) === 0) return false
    if (here === '/') return true
  }
}
