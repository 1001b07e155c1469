import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { outputOf } from '../../cli/output.ts'
import { digestOf, hexOf } from '../../core/digest.ts'
import { writeDurably } from '../../core/durable-file.ts'
import { DrydockError } from '../../core/error.ts'
import { checkShape } from '../../../bundles/format/check.ts'
import { Trust, TRUST_ROLES, type TrustRole } from '../../../bundles/format/trust.ts'
import { loadTrust } from '../../../importer/verify/index.ts'
import { readPublicKey } from './key-files.ts'

/** `drydock trust new|show` */
export function register(program: Command): void {
  const trust = program.command('trust').summary('the trust document').description('trust.json: whose signatures an appliance believes, for what, and how many of them it wants.')
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
  trust
    .command('show')
    .summary('what a trust document says')
    .description('Shows keys, roles and thresholds, and the SHA-256 that `drydock init --trust-sha256` asks for. Every key is checked against its fingerprint.')
    .argument('<file>', 'the trust document')
    .action(showVerb)
}

type NewOptions = { root: string[]; release: string[]; recall?: string[]; threshold?: string[]; out: string }

async function newVerb(options: NewOptions, command: Command): Promise<void> {
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
  await show(options.out, command)
}

async function showVerb(file: string, _options: unknown, command: Command): Promise<void> {
  await show(file, command)
}

async function show(file: string, command: Command): Promise<void> {
  const output = outputOf(command)
  const { trust, sha256 } = await readTrust(file)
  output.line(`${file}, version ${trust.version}`)
  for (const role of TRUST_ROLES) {
    const { threshold, keys } = trust.roles[role]
    const names = keys.map(fingerprint => trust.keys.find(key => key.fingerprint === fingerprint)!.name)
    output.line(`${role.padEnd(8)} ${threshold} of ${keys.length}: ${names.join(', ')}`)
  }
  for (const key of trust.keys) output.line(`key      ${key.fingerprint}  ${key.name}`, 'dim')
  output.line(`sha256   ${sha256}      for init --trust-sha256; tell it by another way than the file`)
  output.record({ type: 'trust', file, version: trust.version, sha256, roles: trust.roles, keys: trust.keys.map(({ fingerprint, keySha256, name }) => ({ fingerprint, keySha256, name })) })
}

/** @throws DD-TRUST-001 when it is not a trust document or contradicts itself */
export async function readTrust(file: string): Promise<{ trust: Trust; sha256: string }> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new DrydockError('DD-TRUST-001', `expected a trust document at ${file}, found none that can be read`, 'make one with `drydock trust new`', { cause })
  })
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new DrydockError('DD-TRUST-001', `expected JSON in ${file}, found something else`, 'make it again with `drydock trust new`', { cause })
  }
  const trust = checkShape(Trust, value, file)
  await loadTrust(trust)
  return { trust, sha256: hexOf(digestOf(bytes)) }
}

function parseThresholds(words: readonly string[]): Map<TrustRole, number> {
  const thresholds = new Map<TrustRole, number>()
  for (const word of words) {
    const [role, number] = word.split('=')
    const known = TRUST_ROLES.find(each => each === role)
    if (known === undefined || !/^[1-9]\d?$/.test(number ?? '')) {
      throw new DrydockError('DD-CLI-001', `expected --threshold root=N, release=N or recall=N, found ${JSON.stringify(word)}`, 'for example: --threshold release=2')
    }
    thresholds.set(known, Number(number))
  }
  return thresholds
}
