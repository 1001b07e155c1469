import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOfFile, hexOf } from '../../../appliance/core/digest.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { aptEnvironment, type TrustedSource } from './private-apt.ts'

/** One suite whose InRelease was verified here, beside apt's own check. */
export type VerifiedRelease = {
  suite: string
  /** The `Date` of the Release; invalid when it has none. */
  date: Date
  /** Primary fingerprints of the good signatures, sorted. */
  signedBy: string
  /** `Packages` files that the signature covers, by component. */
  packages: { component: string; path: string }[]
}

/**
 * Checks the archive chain by ourselves over what apt left behind: gpgv with exactly this keyring over InRelease, then SHA-256 of
 * each Packages file as the signed text lists it. apt did the same while fetching; a chain that nobody looked at again is a belief.
 * @returns undefined when apt kept no InRelease for this source (it was refused or not reachable).
 * @throws DD-COLLECT-003 when what is there does not hold.
 */
export async function verifiedRelease(lists: string, source: TrustedSource, arch: string, signal: AbortSignal): Promise<VerifiedRelease | undefined> {
  const prefix = listPrefix(source)
  const names = await readdir(lists)
  const inRelease = `${prefix}_InRelease`
  if (!names.includes(inRelease)) return undefined
  const path = join(lists, inRelease)
  const what = `InRelease of ${source.suite}`
  // What gpgv writes out is what it verified, and that is what is parsed: never the file's own text.
  const { stdout, stderr, code } = await runProgram('gpgv', {
    args: ['--keyring', source.keyring, '--weak-digest', 'SHA1', '--status-fd', '2', '--output', '-', path],
    env: aptEnvironment(),
    signal,
    accept: [0, 1, 2],
    package: 'gpgv',
  })
  const good = [...stderr.matchAll(/^\[GNUPG:\] VALIDSIG .* ([0-9A-F]{40}|[0-9A-F]{64})$/gm)].map(match => match[1]!)
  if (good.length === 0 || /^\[GNUPG:\] (BADSIG|REVKEYSIG|EXPKEYSIG)/m.test(stderr) || (code !== 0 && !/NO_PUBKEY/.test(stderr))) {
    const said = stderr.trim().split('\n').findLast(line => !line.startsWith('[GNUPG:]'))
    throw new DrydockError('DD-COLLECT-003', `expected ${what} to be signed by a key of ${source.keyring}, found ${said ?? 'no signature'}`, 'nothing of it was used; check the source and its keyring')
  }
  const signed = stdout.toString('utf8').replaceAll('\r\n', '\n')
  const hashes = sha256List(signed)
  const packages: VerifiedRelease['packages'] = []
  for (const component of source.components) {
    const file = join(lists, `${prefix}_${component}_binary-${arch}_Packages`)
    if (!names.includes(`${prefix}_${component}_binary-${arch}_Packages`)) continue
    const wanted = hashes.get(`${component}/binary-${arch}/Packages`)
    const found = hexOf((await digestOfFile(file)).digest)
    if (wanted !== found) {
      throw new DrydockError('DD-COLLECT-003', `expected Packages of ${source.suite}/${component} with the signed sha256 ${wanted ?? '(none listed)'}, found ${found}`, 'nothing of it was used; run again after the mirror has caught up')
    }
    packages.push({ component, path: file })
  }
  const date = new Date(/^Date: (.+)$/m.exec(signed)?.[1] ?? '')
  return { suite: source.suite, date, signedBy: good.toSorted().join(','), packages }
}

/** apt's name for a repository's files: the address without scheme and credentials, `/` as `_`. */
function listPrefix(source: TrustedSource): string {
  const address = source.uri.replace(/^[a-z+]+:(\/\/)?/, '').replace(/^[^/@]*@/, '').replace(/\/*$/, '')
  return `${address}/dists/${source.suite}`.replaceAll('_', '%5f').replaceAll('/', '_')
}

function sha256List(release: string): Map<string, string> {
  const block = /^SHA256:\n((?: .*\n?)+)/m.exec(release)?.[1] ?? ''
  return new Map([...block.matchAll(/^ ([0-9a-f]{64})\s+\d+\s+(\S+)$/gm)].map(match => [match[2]!, match[1]!]))
}

/** One package of an index. `control` is the stanza as `deb` items carry it. */
export type PackageStanza = { name: string; version: string; architecture: string; filename: string; size: number; sha256: string; control: string }

const PLACE = /^(Filename|Size|MD5sum|SHA1|SHA256|SHA512): /

/** The wanted ones of a Packages file. Debian's has 63,000 stanzas in 45 MB: those that nobody wants are not taken apart. */
export async function packageStanzas(path: string, wanted: (name: string, stanza: string) => boolean): Promise<PackageStanza[]> {
  const found: PackageStanza[] = []
  let rest = ''
  for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: 1 << 20 }) as AsyncIterable<string>) {
    const stanzas = (rest + chunk).split('\n\n')
    rest = stanzas.pop() ?? ''
    take(stanzas)
  }
  take([rest])
  return found

  function take(stanzas: readonly string[]): void {
    for (const stanza of stanzas) {
      const name = /^Package: (.+)$/m.exec(stanza)?.[1]
      if (name !== undefined && wanted(name, stanza)) found.push(stanzaOf(stanza.split('\n').filter(line => line !== '')))
    }
  }
}

/** Whether Debian itself calls the package part of every system. */
export function isFundamental(stanza: string): boolean {
  return stanza.includes('\nEssential: yes') || stanza.includes('\nPriority: required')
}

function stanzaOf(lines: readonly string[]): PackageStanza {
  const field = (name: string) => lines.find(line => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? ''
  return {
    name: field('Package'),
    version: field('Version'),
    architecture: field('Architecture'),
    filename: field('Filename'),
    size: Number(field('Size')),
    sha256: field('SHA256'),
    control: `${lines.filter(line => !PLACE.test(line)).join('\n')}\n`,
  }
}
