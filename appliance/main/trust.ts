import type { Command } from 'commander'
import { acceptTrust, showTrust } from '../cli/trust.ts'
import { showTrustFile } from './trust-file.ts'

/** `drydock trust show [FILE]` and `accept`; new, update and bundle are the connected side's and stand in outside/trust.ts. */
export function register(program: Command): void {
  const trust = program.command('trust').summary('whose signatures are believed').description('Trust: whose signatures an appliance believes, for what, and how many of them it wants.')
  trust
    .command('show')
    .summary('the trust of the appliance, or of a file')
    .description('Without a file: the keys that the appliance believes, with their ages and roles, changes that wait, and what came in with the signature of a key.\nWith one: what a trust document says, and the SHA-256 that `drydock init --trust-sha256` asks for.')
    .argument('[file]', 'a trust document')
    .option('--signed-by <fingerprint>', 'the bundles here that this key has signed')
    .action(async (file: string | undefined, options: { signedBy?: string }, command: Command) => {
      if (file === undefined) return await showTrust(options, command)
      await showTrustFile(file, command)
    })
  trust
    .command('accept')
    .summary('let a trust count that a backup brought back')
    .description('After a backup was restored and the trust bundles since then are lost: the older trust counts again. Another admin must confirm; keys that were revoked since are believed again.')
    .action(async (_options: unknown, command: Command) => await acceptTrust(command))
}
