import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { digestOfFile, hexOf } from '../../../appliance/core/digest.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { aptEnvironment, type TrustedSource } from './private-apt.ts'

/** One suite whose InRelease was verified here, beside apt's own check. */
export type VerifiedRelease = {
  suite: string
  /** Seconds of the Release's `Date`. */
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
export type PackageStanza = { name: string; version: string; architecture: string; essential: boolean; required: boolean; filename: string; size: number; sha256: string; control: string }

const PLACE = /^(Filename|Size|MD5sum|SHA1|SHA256|SHA512): /

/** Reads a Packages file one stanza at a time: Debian's has 64,000 of them in 45 MB. */
export async function* packageStanzas(path: string): AsyncGenerator<PackageStanza> {
  let lines: string[] = []
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    if (line !== '') lines.push(line)
    else if (lines.length > 0) {
      yield stanzaOf(lines)
      lines = []
    }
  }
  if (lines.length > 0) yield stanzaOf(lines)
}

function stanzaOf(lines: readonly string[]): PackageStanza {
  const field = (name: string) => lines.find(line => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? ''
  return {
    name: field('Package'),
    version: field('Version'),
    architecture: field('Architecture'),
    essential: field('Essential') === 'yes',
    required: field('Priority') === 'required',
    filename: field('Filename'),
    size: Number(field('Size')),
    sha256: field('SHA256'),
    control: `${lines.filter(line => !PLACE.test(line)).join('\n')}\n`,
  }
}
