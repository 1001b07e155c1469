import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { checkShape } from '../../../bundles/format/check.ts'
import { Trust } from '../../../bundles/format/trust.ts'
import { digestOf, hexOf } from '../../core/digest.ts'
import { DrydockError, isErrno } from '../../core/error.ts'
import { loadTrust } from '../../../importer/verify/index.ts'

export type FirstTrust = {
  file: string
  /** The SHA-256 of trust.json, as it came by another way than the file. */
  sha256?: string | undefined
  /** Or: the fingerprints of all its keys, typed from paper. */
  fingerprints?: readonly string[] | undefined
}

/**
 * Everything later rests on this file, so a person must say, from another source than the file, that it is the right one.
 * @throws DD-STATE-019 when what was said does not match, or nothing was said; DD-TRUST-001, DD-TRUST-010
 */
export async function readFirstTrust(first: FirstTrust): Promise<{ trust: Trust; sha256: string }> {
  const bytes = await readFile(first.file).catch((failure: unknown) => {
    throw isErrno(failure, 'ENOENT') ? new DrydockError('DD-CLI-002', `expected the trust file ${first.file}, found none`, 'make one on the connected side: drydock trust new') : failure
  })
  const trust = checkShape(Trust, parsed(bytes, first.file), first.file)
  await loadTrust(trust)
  const sha256 = hexOf(digestOf(bytes))
  const all = trust.keys.map(key => key.fingerprint)
  if (first.sha256 !== undefined) confirm(sha256, plain(first.sha256).replace(/^sha256:/, ''), `trust.json of sha256 ${first.sha256}`)
  if (first.fingerprints !== undefined) confirm(all.toSorted().join(' '), first.fingerprints.map(each => plain(each).toUpperCase()).toSorted().join(' '), 'exactly the keys that were typed in')
  if (first.sha256 === undefined && first.fingerprints === undefined) await ask(trust, sha256)
  return { trust, sha256 }
}

function parsed(bytes: Buffer, file: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new DrydockError('DD-STATE-019', `expected JSON in ${file}, found something else`, 'make it again: drydock trust new', { cause })
  }
}

async function ask(trust: Trust, sha256: string): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new DrydockError('DD-STATE-019', 'expected somebody to confirm the first trust, found neither --trust-sha256 nor --fingerprint', 'add --trust-sha256 with the digest as the release engineer told it to you')
  }
  for (const key of trust.keys) process.stderr.write(`${key.name}  ${key.fingerprint}\n`)
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    confirm(sha256, plain(await terminal.question('Type the SHA-256 of trust.json as you got it by another way than this file: ')), 'the digest that was typed in')
  } finally {
    terminal.close()
  }
}

function confirm(found: string, said: string, what: string): void {
  if (found !== said.replace(/^sha256:/, '')) throw new DrydockError('DD-STATE-019', `expected ${what}, found ${found}`, 'do not go on: compare with the release engineer who made the file')
}

function plain(text: string): string {
  return text.replaceAll(/\s/g, '')
}
