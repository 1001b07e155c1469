import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { DrydockError } from '../../../appliance/core/error.ts'

/** -r inside -r and so on: more than anybody writes. */
const NESTED_FILES = 100

/**
 * Refuses what is no release of an index before pip sees it: for a folder or a git address pip would run the build that it finds there,
 * on this machine, only to learn a name.
 * @throws DD-COLLECT-017 naming the line.
 */
export function refuseOtherSources(lines: readonly string[], what: string): void {
  const strange = lines.find(line => /^(-e|--editable|-f|--find-links)\b/.test(line) || (!line.startsWith('-') && isAddress(line)))
  if (strange !== undefined) {
    throw new DrydockError('DD-COLLECT-017', `expected only releases of an index in ${what}, found ${JSON.stringify(strange.slice(0, 200))}`, 'depend on a published release: what comes from git, a folder or an address of its own cannot be mirrored, and nothing is built while collecting')
  }
}

/** PEP 508's `name @ address`, a bare address, or a path. Markers and hashes that follow may hold anything. */
function isAddress(line: string): boolean {
  const requirement = line.split(/\s--|;/)[0]!.trim()
  return /@|:\/\//.test(requirement) || /^[./~]|^file:|[/\\]|\.(whl|zip|tar\.\w+|tgz)$/i.test(requirement)
}

/** The logical lines of a requirements file and of those that it includes, as pip joins and strips them. */
export async function requirementLines(file: string): Promise<string[]> {
  const all: string[] = []
  const waiting = [file]
  const seen = new Set<string>()
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    if (seen.has(next)) continue
    seen.add(next)
    if (seen.size > NESTED_FILES) throw new DrydockError('DD-CORE-010', `expected at most ${NESTED_FILES} requirements files in one another, found more`, 'join them')
    const here = next
    const text = await readFile(here, 'utf8').catch((cause: unknown) => {
      throw new DrydockError('DD-COLLECT-011', `expected a requirements file at ${here}, found none that can be read`, 'correct the path in the collection file; it is relative to that file', { cause })
    })
    for (const raw of text.replace(/\\\r?\n/g, ' ').split(/\r?\n/)) {
      const line = raw.replace(/(^|\s)#.*$/, '').trim()
      const included = /^(?:-r|-c|--requirement|--constraint)[\s=]+(\S+)$/.exec(line)?.[1]
      if (included !== undefined) waiting.push(resolve(dirname(here), included))
      else if (line !== '') all.push(line)
    }
  }
  return all
}
