import { constants } from 'node:fs'
import { access, lstat, readdir, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { DrydockError } from '../../appliance/core/error.ts'

/** Folders below a media root that are looked into for `media list`. */
const DEPTH = 2

/**
 * The real path of a bundle file, when it is a plain file under one of the configured media roots. Links that lead elsewhere are
 * refused: the appliance reads with its own rights, not with those of the one who asks.
 * @throws DD-IMPORT-013
 */
export async function resolveMedia(path: string, roots: readonly string[]): Promise<string> {
  const real = await realpath(path).catch(() => undefined)
  if (real === undefined) throw refused(path, 'no such file', 'give the whole path, from /, as the appliance sees it; `drydock media list` names the bundles that lie there')
  if (!(await isUnderOneOf(roots, real))) throw refused(path, `one outside of ${roots.length === 0 ? 'them (there are none)' : roots.join(', ')}`)
  if (!(await lstat(real)).isFile()) throw refused(path, 'something else', 'name the .drydock file; `drydock media list` names the bundles that lie there')
  const readable = await access(real, constants.R_OK).then(() => true, () => false)
  if (!readable) throw refused(path, 'one that the appliance may not read', 'give its own user the right to read it, or let `drydock import run PATH` stream it')
  return real
}

/** One root after the other, and none that is not asked for: another one may be a mount that does not answer. */
async function isUnderOneOf(roots: readonly string[], real: string): Promise<boolean> {
  const isUnder = (root: string): boolean => real.startsWith(root.endsWith(sep) ? root : root + sep)
  // No part of a real path is a link, so a root that stands in it as it was typed is one, too.
  if (roots.some(isUnder)) return true
  for (const root of roots) {
    const linked = await realpath(root).catch(() => undefined)
    if (linked !== undefined && isUnder(linked)) return true
  }
  return false
}

/** Bundle files on the media, by path. */
export async function listMedia(roots: readonly string[]): Promise<{ path: string; size: number }[]> {
  const found: { path: string; size: number }[] = []
  for (const root of roots) await look(root, DEPTH, found)
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

async function look(folder: string, depth: number, found: { path: string; size: number }[]): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name)
    if (entry.isFile() && entry.name.endsWith('.drydock') && !entry.name.startsWith('.')) found.push({ path, size: (await lstat(path)).size })
    else if (entry.isDirectory() && depth > 1) await look(path, depth - 1, found)
  }
}

function refused(path: string, found: string, hint = 'let `drydock import run PATH` stream it instead, or mount the medium under a configured media root'): DrydockError {
  return new DrydockError('DD-IMPORT-013', `expected a plain file under a media root at ${path}, found ${found}`, hint)
}
