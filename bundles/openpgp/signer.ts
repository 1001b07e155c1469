import { createMessage, sign, type PrivateKey } from 'openpgp'
import type { Clock } from '../../appliance/core/clock.ts'
import { programEnvironment, runProgram } from '../../appliance/core/run-program.ts'
import { DrydockError } from '../../appliance/core/error.ts'
import type { Signer } from '../../appliance/core/signer.ts'
import { armorSignatures, dearmorSignatures } from './armor.ts'
import { openSecretKey, parseKeyring, parsePublicKey } from './key.ts'
import { STRICT } from './policy.ts'

/** Signs with a secret key in memory. @throws DD-TRUST-010, DD-TRUST-011 */
export async function secretKeySigner(input: { armored: string; passphrase?: string; what: string; clock: Clock }): Promise<Signer> {
  const secret = await openSecretKey(input.armored, input.passphrase, input.what)
  return {
    fingerprint: secret.getFingerprint().toUpperCase(),
    publicKey: secret.toPublic().armor(),
    sign: async bytes => await signWith(secret, bytes, input.clock.now()),
  }
}

async function signWith(secret: PrivateKey, bytes: Uint8Array, date: Date): Promise<string> {
  const signature = await sign({ message: await createMessage({ binary: bytes }), signingKeys: secret, detached: true, format: 'binary', date, config: STRICT })
  return armorSignatures([signature as Uint8Array])
}

/**
 * Signs through `gpg` itself, so that the key may live in a smartcard or an HSM that gpg-agent knows.
 * @param user what `--local-user` takes; the whole fingerprint is best.
 * @throws DD-TRUST-015 when gpg has no such key or does not sign.
 */
export async function gpgSigner(input: { user: string; homedir?: string }): Promise<Signer> {
  const env = programEnvironment(Object.fromEntries(['GPG_TTY', 'GNUPGHOME', 'XDG_RUNTIME_DIR'].flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))))
  const gpg = async (args: readonly string[], bytes: Uint8Array): Promise<Buffer> => {
    const base = ['--batch', '--no-options', '--no-comments', '--no-emit-version', ...(input.homedir === undefined ? [] : ['--homedir', input.homedir])]
    const run = runProgram('gpg', { args: [...base, ...args], env, input: bytes, package: 'gnupg', timeout: 120_000 })
    return (await run.catch((cause: unknown) => {
      if (cause instanceof DrydockError && cause.code === 'DD-CORE-008') throw cause
      throw new DrydockError('DD-TRUST-015', `expected gpg to sign as ${input.user}, found that it did not`, `try by hand: gpg --local-user ${input.user} --detach-sign FILE`, { cause })
    })).stdout
  }
  // For a name that it does not know gpg exports nothing and is content; a part of a name may fit several.
  const exported = (await gpg(['--armor', '--export-options', 'export-minimal', '--export', input.user], Buffer.alloc(0))).toString('ascii')
  const keys = exported === '' ? [] : await parseKeyring(exported)
  if (keys.length !== 1) {
    throw new DrydockError('DD-TRUST-015', `expected one key of ${JSON.stringify(input.user)} in gpg, found ${keys.length === 0 ? 'none' : keys.length}`, 'name it by its whole fingerprint, as `gpg --list-secret-keys` shows it; gpg knows one on a card after `gpg --card-status`')
  }
  const publicKey = await parsePublicKey(exported, `gpg's key ${input.user}`)
  return {
    fingerprint: publicKey.fingerprint,
    publicKey: publicKey.armored,
    async sign(bytes) {
      const args = ['--local-user', publicKey.fingerprint, '--digest-algo', 'SHA512', '--armor', '--detach-sign', '--output', '-']
      return armorSignatures(dearmorSignatures((await gpg(args, bytes)).toString('ascii')))
    },
  }
}
