import { createHash } from 'node:crypto'

/** A file under dists/<suite>/ as Release names it: path relative to the suite, size in bytes, SHA-256 in hex. */
export type IndexFile = { path: string; size: number; sha256: string }

export const ALL = 'all'

export function indexFile(path: string, bytes: Uint8Array): IndexFile {
  return { path, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}

/** The files of a Release that {@link releaseText} wrote. */
export function releaseFiles(text: string): IndexFile[] {
  return [...text.matchAll(/^ ([0-9a-f]{64}) +(\d+) (\S+)$/gm)].map(match => ({ sha256: match[1]!, size: Number(match[2]), path: match[3]! }))
}

/** Architectures that a component has an index for, `all` left out. */
export function architecturesOf(files: readonly IndexFile[], component?: string): string[] {
  const found = files.flatMap(file => {
    const match = /^(.+)\/binary-([^/]+)\/Packages$/.exec(file.path)
    return match !== null && match[2] !== ALL && (component === undefined || match[1] === component) ? [match[2]!] : []
  })
  return [...new Set(found)].toSorted()
}

/**
 * https://wiki.debian.org/DebianRepository/Format#A.22Release.22_files. No Valid-Until: what lies inside an air gap does not go stale by
 * the calendar, and its age shows in the generation. Packages of architecture `all` stand in every architecture's index.
 */
export function releaseText(suite: string, files: readonly IndexFile[], date: Date): string {
  const components = [...new Set(files.flatMap(file => /^(.+)\/binary-[^/]+\/Packages$/.exec(file.path)?.[1] ?? []))].toSorted()
  return [
    'Origin: Drydock',
    'Label: Drydock',
    `Suite: ${suite}`,
    `Codename: ${suite}`,
    `Date: ${date.toUTCString().replace('GMT', 'UTC')}`,
    'Acquire-By-Hash: yes',
    'No-Support-for-Architecture-all: Packages',
    `Architectures: ${[ALL, ...architecturesOf(files)].join(' ')}`,
    `Components: ${components.join(' ')}`,
    'Description: imported by Drydock',
    'SHA256:',
    ...files.toSorted((a, b) => (a.path < b.path ? -1 : 1)).map(file => ` ${file.sha256} ${file.size} ${file.path}`),
    '',
  ].join('\n')
}
