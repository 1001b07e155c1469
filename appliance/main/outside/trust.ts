import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { writeDurably } from '../../core/durable-file.ts'
import { DrydockError } from '../../core/error.ts'
import { checkShape } from '../../../bundles/format/check.ts'
import { Trust, TRUST_ROLES, type TrustRole } from '../../../bundles/format/trust.ts'
import { loadTrust } from '../../../importer/verify/index.ts'
import { showTrustFile } from '../trust-file.ts'
import { readPublicKey } from './key-files.ts'
import { parseThresholds } from './thresholds.ts'

/** `drydock trust new`, under the noun that main/trust.ts makes. */
export function register(trust: Command): void {
  trust
    .command('new')
    .summary('make trust.json from public keys')
    .description(
      'Makes version 1 of a trust document. `root` may change trust, `release` may ship content, `recall` may withdraw it.\n' +
        'Thresholds count different people: --threshold release=2 wants two of the release keys on every bundle.',
    )
    .requiredOption('--root <files...>', 'public keys (.pub) that may change trust')
    .requiredOption('--release <files...>', 'public keys that may ship content')
    .option('--recall <files...>', 'public keys that may withdraw content (default: those of --release)')
    .option('--threshold <role=n...>', 'how many must sign; 1 where nothing is said')
    .requiredOption('--out <file>', 'the document to write')
    .action(newVerb)
}

type NewOptions = { root: string[]; release: string[]; recall?: string[]; threshold?: string[]; out: string }

async function newVerb(options: NewOptions, command: Command): Promise<void> {
  if (existsSync(options.out)) throw new DrydockError('DD-TRUST-016', `expected no file at ${options.out}, found one`, 'use another --out, or `drydock trust update` for the next version of this trust: what a site believes is never overwritten')
  const thresholds = parseThresholds(options.threshold ?? [])
  const files: Record<TrustRole, string[]> = { root: options.root, release: options.release, recall: options.recall ?? options.release }
  const keys = new Map<string, Trust['keys'][number]>()
  const roles = {} as Trust['roles']
  for (const role of TRUST_ROLES) {
    const fingerprints: string[] = []
    for (const file of files[role]) {
      const key = await readPublicKey(file)
      keys.set(key.fingerprint, { fingerprint: key.fingerprint, keySha256: key.keySha256, publicKey: key.armored, name: key.name })
      if (!fingerprints.includes(key.fingerprint)) fingerprints.push(key.fingerprint)
    }
    roles[role] = { threshold: thresholds.get(role) ?? 1, keys: fingerprints }
  }
  const trust = checkShape(Trust, { version: 1, keys: [...keys.values()], roles }, 'trust.json')
  await loadTrust(trust)
  await writeDurably(options.out, `${JSON.stringify(trust, null, 2)}\n`, { mode: 0o644 })
  await showTrustFile(options.out, command)
}
