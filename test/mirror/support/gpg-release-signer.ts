import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { programEnvironment, runProgram } from '../../../appliance/core/run-program.ts'
import type { ReleaseSigner } from '../../../mirror/apt/signer.ts'

/** A throwaway key in a gpg home of its own. Its path is short, because gpg-agent's socket lies in it. */
export async function gpgReleaseSigner(folder: string): Promise<ReleaseSigner & { keyFile: string; close(): Promise<void> }> {
  const home = mkdtempSync(join(tmpdir(), 'dg-'))
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const env = programEnvironment({ GNUPGHOME: home })
  const gpg = async (args: string[], input?: Uint8Array | string): Promise<string> =>
    (await runProgram('gpg', { args: ['--batch', '--yes', '--pinentry-mode', 'loopback', '--passphrase', '', ...args], env, ...(input === undefined ? {} : { input }) })).stdout.toString('utf8')
  await gpg(['--quick-generate-key', 'Drydock test appliance', 'rsa3072', 'sign', '2d'])
  const publicKey = await gpg(['--armor', '--export'])
  const keyFile = join(folder, 'key.asc')
  writeFileSync(keyFile, publicKey)
  return {
    fingerprint: (await gpg(['--with-colons', '--list-keys'])).match(/^fpr:+([0-9A-F]+):/m)?.[1] ?? '',
    publicKey,
    keyFile,
    sign: bytes => gpg(['--armor', '--detach-sign'], bytes),
    clearSign: text => gpg(['--clearsign'], text),
    async close() {
      await runProgram('gpgconf', { args: ['--kill', 'all'], env })
      rmSync(home, { recursive: true, force: true })
    },
  }
}
