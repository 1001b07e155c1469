import { lstatSync, readdirSync, readFileSync, readlinkSync, rmdirSync, unlinkSync, type Stats } from 'node:fs'
import { join } from 'node:path'

/**
 * `dedupe.ts UPPER LOWER…` (top first): takes out of an overlay's upper folder what is as it was below, so that the last layer holds only what
 * installing really changed. Runs inside the user namespace, where every file can be read.
 */
const [upper, ...lowers] = process.argv.slice(2) as [string, ...string[]]
prune('')

/** @returns whether anything is left in the folder. */
function prune(folder: string): boolean {
  let left = false
  for (const name of readdirSync(join(upper, folder)).sort()) {
    const path = folder === '' ? name : `${folder}/${name}`
    const here = lstatSync(join(upper, path))
    const below = findBelow(path)
    if (here.isDirectory()) {
      const kept = prune(path)
      if (!kept && below?.stats.isDirectory() === true && sameOwner(here, below.stats)) rmdirSync(join(upper, path))
      else left = true
    } else if (isWhiteout(here) ? below === undefined : below !== undefined && sameFile(path, here, below)) {
      unlinkSync(join(upper, path))
    } else left = true
  }
  return left
}

type Found = { path: string; stats: Stats }

function findBelow(path: string): Found | undefined {
  for (const lower of lowers) {
    const stats = lstatSync(join(lower, path), { throwIfNoEntry: false })
    if (stats !== undefined) return isWhiteout(stats) ? undefined : { path: join(lower, path), stats }
  }
  return undefined
}

/** Overlayfs marks what was deleted with a character device 0:0. */
function isWhiteout(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0
}

function sameOwner(a: Stats, b: Stats): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid
}

function sameFile(path: string, here: Stats, below: Found): boolean {
  if (!sameOwner(here, below.stats)) return false
  if (here.isSymbolicLink()) return readlinkSync(join(upper, path)) === readlinkSync(below.path)
  return here.isFile() && here.size === below.stats.size && readFileSync(join(upper, path)).equals(readFileSync(below.path))
}
