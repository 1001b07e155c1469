import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { parsePublicKey, type PublicKey } from '../../bundles/openpgp/index.ts'

/** A GnuPG home of a test's own; its agent is ended with the test. */
export type Gpg = {
  homedir: string
  /** @returns standard output */
  run(args: readonly string[], input?: Uint8Array | string): Buffer
  makeKey(name: string, algorithm: string, ...options: string[]): Promise<{ name: string; key: PublicKey; public: string }>
  sign(name: string, bytes: Uint8Array, ...options: string[]): string
}

export function gpgHome(t: Pick<Test, 'teardown'>): Gpg {
  const homedir = mkdtempSync(join(tmpdir(), 'dd-gpg-'))
  const env = { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', GNUPGHOME: homedir }
  t.teardown(() => {
    execFileSync('gpgconf', ['--kill', 'all'], { env, stdio: 'ignore' })
    rmSync(homedir, { recursive: true, force: true, maxRetries: 5 })
  })
  const gpg: Gpg = {
    homedir,
    run: (args, input) => execFileSync('gpg', ['--batch', '--quiet', '--no-tty', '--trust-model', 'always', '--pinentry-mode', 'loopback', '--passphrase', '', ...args], { env, stdio: ['pipe', 'pipe', 'pipe'], ...(input === undefined ? {} : { input }) }),
    async makeKey(name, algorithm, ...options) {
      gpg.run([...options, '--quick-gen-key', name, algorithm, 'sign', 'never'])
      const armored = gpg.run(['--armor', '--export', name]).toString()
      return { name, key: await parsePublicKey(armored, name), public: armored }
    },
    sign(name, bytes, ...options) {
      const file = join(homedir, 'to-sign')
      writeFileSync(file, bytes)
      return gpg.run(['--local-user', name, '--armor', '--no-comments', '--no-emit-version', ...options, '--output', '-', '--detach-sign', file]).toString()
    },
  }
  return gpg
}
