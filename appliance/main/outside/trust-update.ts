import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { outputOf, type Output } from '../../cli/output.ts'
import { wallClock } from '../../core/clock.ts'
import { writeDurably } from '../../core/durable-file.ts'
import { DrydockError } from '../../core/error.ts'
import { buildBundle } from '../../../bundles/build/index.ts'
import { Trust, TRUST_ROLES, type TrustRole } from '../../../bundles/format/trust.ts'
import { parsePublicKey, withRevocation } from '../../../bundles/openpgp/index.ts'
import { changeOf, loadTrust } from '../../../importer/verify/index.ts'
import { readTrust } from '../trust-file.ts'
import { untilInterrupted } from './interrupt.ts'
import { readKeyFile, readPublicKey, signersOf, type SigningOptions } from './key-files.ts'
import { parseThresholds } from './thresholds.ts'

/** `drydock trust update|bundle`, under the noun that main/trust.ts makes. */
export function register(trust: Command): void {
  trust
    .command('update')
    .summary('make the next version of a trust document')
    .description('Writes version N+1 of a trust document. Keys that are in no role any more leave it; revoked ones stay, so that their signatures are refused.')
    .argument('<file>', 'the trust document in force, version N')
    .option('--add <role=file...>', 'a public key (.pub) for a role: release=jon-berg.pub')
    .option('--remove <fingerprint...>', 'take a key out of all roles, or out of one: release=FINGERPRINT')
    .option('--replace <files...>', 'public keys in the place of those with the same fingerprint (another expiry)')
    .option('--revoke <fingerprint...>', 'take a key out of all roles for ever: a bundle with its signature is refused, whoever else has signed')
    .option('--certificate <files...>', 'revocation certificates (.rev) for the keys that are revoked; they work without one, too')
    .option('--threshold <role=n...>', 'how many must sign')
    .requiredOption('--out <file>', 'the document to write')
    .action(updateVerb)
  trust
    .command('bundle')
    .summary('pack a new trust for the appliances')
    .description('Packs a trust document as a bundle. Root keys of the trust in force must sign it by their threshold, and root keys of the new one by theirs; each version has a bundle of its own, and a site imports them in their order.')
    .argument('<file>', 'the new trust document')
    .requiredOption('--out <dir>', 'where the bundle goes: a folder or the medium')
    .option('--after <file>', 'the trust document before it: says what changes, and who must still sign')
    .option('--site <name>', 'the site it is for', '*')
    .option('--key <files...>', 'secret keys (.key) that sign; others can sign later with `bundle sign`')
    .option('--gpg <users...>', 'sign through gpg, for keys on a smartcard')
    .option('--passphrase-file <file>', 'the passphrase of the keys')
    .action(bundleVerb)
}

type UpdateOptions = { add?: string[]; remove?: string[]; replace?: string[]; revoke?: string[]; certificate?: string[]; threshold?: string[]; out: string }

async function updateVerb(file: string, options: UpdateOptions, command: Command): Promise<void> {
  const output = outputOf(command)
  const { trust: before } = await readTrust(file)
  if (existsSync(options.out)) throw new DrydockError('DD-TRUST-020', `expected no file at ${options.out}, found one`, 'every version keeps a file of its own: use another --out')
  const next = structuredClone(before)
  next.version += 1
  for (const [role, path] of (options.add ?? []).map(word => roleAnd(word, '--add release=FILE'))) {
    const key = await readPublicKey(path)
    const known = next.keys.find(({ fingerprint }) => fingerprint === key.fingerprint)
    if (known?.revoked === true) throw new DrydockError('DD-TRUST-020', `expected a key that is in force for ${role}, found ${key.name} (${key.fingerprint}), which is revoked`, 'a revoked key never comes back: make another one')
    if (known === undefined) next.keys.push({ fingerprint: key.fingerprint, keySha256: key.keySha256, publicKey: key.armored, name: key.name })
    if (!next.roles[role].keys.includes(key.fingerprint)) next.roles[role].keys.push(key.fingerprint)
  }
  for (const path of options.replace ?? []) {
    const key = await readPublicKey(path)
    Object.assign(keyOf(next, key.fingerprint), { keySha256: key.keySha256, publicKey: key.armored })
  }
  for (const word of options.remove ?? []) {
    const [roles, wanted] = word.includes('=') ? (([role, text]) => [[role], text] as const)(roleAnd(word, '--remove release=FINGERPRINT')) : ([TRUST_ROLES, word] as const)
    takeOut(next, keyOf(next, wanted).fingerprint, roles)
  }
  const certificates = await Promise.all((options.certificate ?? []).map(async path => await readKeyFile(path, 'give the .rev file that `drydock key new` wrote')))
  for (const wanted of options.revoke ?? []) {
    const key = keyOf(next, wanted)
    key.revoked = true
    takeOut(next, key.fingerprint, TRUST_ROLES)
    Object.assign(key, await revokedBy(key, certificates))
  }
  for (const [role, threshold] of parseThresholds(options.threshold ?? [])) next.roles[role].threshold = threshold
  const inUse = new Set(TRUST_ROLES.flatMap(role => next.roles[role].keys))
  next.keys = next.keys.filter(({ fingerprint, revoked }) => revoked === true || inUse.has(fingerprint))
  checkThresholds(next)
  const change = changeOf(before, next)
  if (change.keys.length + change.roles.length === 0) throw new DrydockError('DD-TRUST-020', 'expected something to change, found nothing', 'say what: --add, --remove, --replace, --revoke or --threshold')
  await loadTrust(next)
  await writeDurably(options.out, `${JSON.stringify(next, null, 2)}\n`, { mode: 0o644 })
  output.line(`${options.out}, version ${next.version} after ${before.version}`)
  sayChange(change, output)
  output.line(`next       drydock trust bundle ${options.out} --after ${file} --out DIR --key ROOT.key …`)
  output.record({ type: 'trust-update', file: options.out, ...change })
}

function roleAnd(word: string, example: string): [TrustRole, string] {
  const cut = word.indexOf('=')
  const role = TRUST_ROLES.find(each => each === word.slice(0, cut))
  if (role !== undefined && cut < word.length - 1) return [role, word.slice(cut + 1)]
  throw new DrydockError('DD-CLI-001', `expected root=…, release=… or recall=…, found ${JSON.stringify(word)}`, `for example: ${example}`)
}

/** By its whole fingerprint, or by at least its last 16 digits. @throws DD-TRUST-020 */
function keyOf(trust: Trust, wanted: string): Trust['keys'][number] {
  const text = wanted.replaceAll(/\s/g, '').toUpperCase()
  const found = /^[0-9A-F]{16,64}$/.test(text) ? trust.keys.filter(({ fingerprint }) => fingerprint.endsWith(text)) : []
  if (found.length === 1) return found[0]!
  throw new DrydockError('DD-TRUST-020', `expected the fingerprint of a key in this document, found ${JSON.stringify(wanted)}`, `one of: ${trust.keys.map(({ fingerprint, name }) => `${fingerprint} (${name})`).join(', ')}`)
}

function takeOut(trust: Trust, fingerprint: string, roles: readonly TrustRole[]): void {
  for (const role of roles) trust.roles[role].keys = trust.roles[role].keys.filter(each => each !== fingerprint)
}

/** With its revocation inside when one of the certificates is its own; a foreign one is no fault: each is tried. */
async function revokedBy(key: Trust['keys'][number], certificates: readonly string[]): Promise<Partial<Trust['keys'][number]>> {
  const parsed = await parsePublicKey(key.publicKey, key.name)
  for (const certificate of certificates) {
    try {
      const publicKey = await withRevocation(parsed, certificate)
      return { publicKey, keySha256: (await parsePublicKey(publicKey, key.name)).keySha256 }
    } catch (failure) {
      if (certificates.length === 1) throw failure
    }
  }
  return {}
}

function checkThresholds(trust: Trust): void {
  for (const role of TRUST_ROLES) {
    const { threshold, keys } = trust.roles[role]
    if (keys.length >= threshold) continue
    throw new DrydockError('DD-TRUST-020', `expected at least ${threshold} ${role} keys for its threshold, found ${keys.length} left`, `add another one (--add ${role}=FILE), or lower the threshold (--threshold ${role}=N)`)
  }
}

/** What a version changes, in the words of the preflight. */
function sayChange(change: ReturnType<typeof changeOf>, output: Output): void {
  for (const { change: what, name, fingerprint } of change.keys) output.line(`key        ${what.padEnd(8)} ${name} ${fingerprint}`, what === 'revoked' ? 'bad' : 'plain')
  for (const { role, threshold, added, removed } of change.roles) {
    const names = [...added.map(({ name }) => `+ ${name}`), ...removed.map(({ name }) => `- ${name}`)].join(', ')
    output.line(`${role.padEnd(10)} threshold ${threshold.from === threshold.to ? threshold.to : `${threshold.from} → ${threshold.to}`}${names === '' ? '' : `: ${names}`}`)
  }
}

type BundleOptions = SigningOptions & { out: string; after?: string; site: string }

async function bundleVerb(file: string, options: BundleOptions, command: Command): Promise<void> {
  const output = outputOf(command)
  const { trust } = await readTrust(file)
  const before = options.after === undefined ? undefined : (await readTrust(options.after)).trust
  if (before !== undefined && before.version + 1 !== trust.version) {
    throw new DrydockError('DD-TRUST-017', `expected trust version ${before.version + 1} after ${options.after}, found version ${trust.version}`, 'make it from that one with `drydock trust update`')
  }
  const signers = await signersOf(options)
  const created = `${wallClock.now().toISOString().slice(0, 19)}Z`
  const built = await untilInterrupted(signal =>
    buildBundle({
      lock: { format: 'drydock-collection-lock/1', name: 'trust', created, items: [{ kind: 'trust', name: 'trust', version: String(trust.version), metadata: { trust }, blobs: [], source: `pkg:generic/trust@${trust.version}` }] },
      // Trust counts its own versions, so there is one sender for all.
      blobFolder: '/nonexistent', sender: { id: 'trust', site: options.site, stream: 'trust', epoch: 0, sequence: trust.version }, signers, out: options.out, signal,
    }),
  )
  output.line(`trust version ${trust.version} for ${options.site === '*' ? 'every site' : `site ${options.site}`}`)
  if (before !== undefined) sayChange(changeOf(before, trust), output)
  output.line(`bundle     ${built.file}`)
  const roots = new Set([...(before?.roles.root.keys ?? []), ...trust.roles.root.keys])
  for (const { fingerprint } of signers.filter(signer => !roots.has(signer.fingerprint))) output.line(`no root    ${trust.keys.find(key => key.fingerprint === fingerprint)?.name ?? fingerprint} signed it, and counts for nothing here`, 'bad')
  const missing = [...(before === undefined ? [] : stillMissing('root keys in force', before, signers)), ...stillMissing('new root keys', trust, signers)]
  for (const text of missing) output.line(`to sign    ${text}: drydock bundle sign ${built.file} --key ROOT.key`, 'strong')
  output.record({ type: 'trust-bundle', file: built.file, digest: built.digest, version: trust.version, site: options.site, signers: signers.map(({ fingerprint }) => fingerprint), missing })
}

function stillMissing(which: string, trust: Trust, signers: readonly { fingerprint: string }[]): string[] {
  const { threshold, keys } = trust.roles.root
  const signed = new Set(signers.map(({ fingerprint }) => fingerprint).filter(fingerprint => keys.includes(fingerprint)))
  if (signed.size >= threshold) return []
  const others = trust.keys.filter(({ fingerprint }) => keys.includes(fingerprint) && !signed.has(fingerprint)).map(({ name }) => name)
  return [`${threshold - signed.size} more of the ${which} (${others.join(', ')})`]
}
