import { readFile } from 'node:fs/promises'
import { wallClock } from '../../core/clock.ts'
import { DrydockError, isErrno } from '../../core/error.ts'
import type { Signer } from '../../core/signer.ts'
import { gpgSigner, parsePublicKey, secretKeySigner, type PublicKey } from '../../../bundles/openpgp/index.ts'

export async function readKeyFile(path: string, hint: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new DrydockError('DD-TRUST-010', `expected a key file at ${path}, found ${isErrno(cause, 'ENOENT') ? 'no such file' : 'one that cannot be read'}`, hint, { cause })
  }
}

export async function readPublicKey(path: string): Promise<PublicKey> {
  return await parsePublicKey(await readKeyFile(path, 'give the .pub file that `drydock key new` wrote'), path)
}

/** One line of a file; the line end is not part of a passphrase. */
export async function readPassphrase(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  try {
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '')
  } catch (cause) {
    throw new DrydockError('DD-TRUST-011', `expected a passphrase in ${path}, found a file that cannot be read`, 'check --passphrase-file', { cause })
  }
}

export type SigningOptions = { key?: string[]; gpg?: string[]; passphraseFile?: string }

/** Everybody who is to sign, files first. */
export async function signersOf(options: SigningOptions): Promise<Signer[]> {
  const passphrase = await readPassphrase(options.passphraseFile)
  const signers: Signer[] = []
  for (const path of options.key ?? []) {
    const armored = await readKeyFile(path, 'give the .key file that `drydock key new` wrote')
    signers.push(await secretKeySigner({ armored, what: path, clock: wallClock, ...(passphrase === undefined ? {} : { passphrase }) }))
  }
  for (const user of options.gpg ?? []) signers.push(await gpgSigner({ user }))
  return signers
}
