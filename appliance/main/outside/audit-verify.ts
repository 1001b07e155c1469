import { open, readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { outputOf } from '../../cli/output.ts'
import { DrydockError } from '../../core/error.ts'
import { verifyAudit } from '../../telemetry/verify-audit.ts'
import { parsePublicKey, verifyDetached, type PublicKey } from '../../../bundles/openpgp/index.ts'

/** `audit verify`: offline, on any machine; it needs the exported log and the appliance's public key, and asks nobody. */
export function register(audit: Command): void {
  audit
    .command('verify')
    .description('Check an exported log on another machine: every record, the chain, and the signed heads.')
    .argument('<file>', 'what drydock audit export wrote')
    .requiredOption('--key <file>', 'the appliance\'s public key (https://APPLIANCE/appliance.asc), compared by its fingerprint when it was first taken over')
    .option('--expect <seq:digest>', 'a head that was seen before: the log must go through it')
    .action(async (file: string, options: { key: string; expect?: string }, command: Command) => {
      const output = outputOf(command)
      const key = await parsePublicKey(await text(options.key, 'a public key'), options.key)
      const handle = await open(file).catch((cause: unknown) => {
        throw new DrydockError('DD-CLI-002', `expected an exported audit log at ${file}, found none that can be read`, 'name what drydock audit export wrote', { cause })
      })
      const expect = options.expect === undefined ? {} : { expect: expectedHead(options.expect) }
      // The lines close the file when they are read to their end or left.
      const { records, heads, last } = await verifyAudit(handle.readLines(), { verifySignature: async (bytes, signature) => await holds(bytes, signature, key), ...expect })
      output.line(`unbroken: ${records} records, ${heads} signed heads, the last at ${last.seq}:${last.digest}`, 'good')
      output.line(`keep ${last.seq}:${last.digest} and give it with --expect next time`, 'dim')
      output.record({ records, heads, last })
    })
}

/** A signature that does not hold is for the verifier to place; a clock or key fault is said as it is. */
async function holds(bytes: Uint8Array, signature: string, key: PublicKey): Promise<boolean> {
  try {
    return (await verifyDetached(bytes, signature, [key], new Date())).signatures.length > 0
  } catch (failure) {
    if (failure instanceof DrydockError && (failure.code === 'DD-TRUST-002' || failure.code === 'DD-TRUST-005')) return false
    throw failure
  }
}

function expectedHead(given: string): { seq: number; digest: string } {
  const [, seq, digest] = /^(\d{1,15}):(sha256:[0-9a-f]{64})$/.exec(given) ?? []
  if (seq === undefined || digest === undefined) throw new DrydockError('DD-CLI-002', `expected --expect SEQ:sha256:…, found ${JSON.stringify(given)}`, 'copy it from an earlier drydock audit verify')
  return { seq: Number(seq), digest }
}

async function text(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new DrydockError('DD-CLI-002', `expected ${what} at ${path}, found none that can be read`, 'name the file', { cause })
  }
}
