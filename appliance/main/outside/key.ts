import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { outputOf } from '../../cli/output.ts'
import { wallClock } from '../../core/clock.ts'
import { ensureFolder, writeDurably } from '../../core/durable-file.ts'
import { DrydockError, isErrno } from '../../core/error.ts'
import { makeKey, type PublicKey } from '../../../bundles/openpgp/index.ts'
import { readPassphrase, readPublicKey, signersOf } from './key-files.ts'

/** `drydock key new|list|export` */
export function register(program: Command): void {
  const key = program.command('key').summary('signing keys').description('Signing keys of the people who release bundles: Ed25519, as OpenPGP keys that gpg reads too.')
  key
    .command('new')
    .summary('make a key')
    .description('Makes NAME.key (secret, mode 0600), NAME.pub (give it to who makes trust.json) and NAME.rev (a revocation, for the safe).')
    .requiredOption('--name <name>', 'the person, as the appliance will show it: "Ana Ruiz"')
    .requiredOption('--out <dir>', 'folder for the files; it is made when it is not there')
    .option('--passphrase-file <file>', 'protects the secret key with the passphrase in the first line of FILE')
    .action(newVerb)
  key
    .command('list')
    .summary('keys in a folder')
    .description('Lists the public keys (*.pub) of a folder with their fingerprints.')
    .argument('[dir]', 'the folder', '.')
    .action(listVerb)
  key
    .command('export')
    .summary('write the public half of a secret key')
    .description('Prints the public key that belongs to a .key file, or writes it with --out.')
    .argument('<key>', 'the .key file')
    .option('--out <file>', 'write there instead of printing')
    .option('--passphrase-file <file>', 'the passphrase of the key')
    .action(exportVerb)
}

async function newVerb(options: { name: string; out: string; passphraseFile?: string }, command: Command): Promise<void> {
  const output = outputOf(command)
  const passphrase = await readPassphrase(options.passphraseFile)
  const stem = join(options.out, fileStem(options.name))
  if ((await stat(`${stem}.key`).catch(() => undefined)) !== undefined) {
    throw new DrydockError('DD-TRUST-016', `expected no key at ${stem}.key, found one`, 'use another --name or --out; a secret key is never overwritten')
  }
  await ensureFolder(options.out, 0o700)
  const made = await makeKey({ name: options.name, created: wallClock.now(), ...(passphrase === undefined ? {} : { passphrase }) })
  await writeDurably(`${stem}.rev`, made.revocation, { mode: 0o600 })
  await writeDurably(`${stem}.pub`, made.public, { mode: 0o644 })
  await writeDurably(`${stem}.key`, made.secret, { mode: 0o600 })
  const key = await readPublicKey(`${stem}.pub`)
  output.line(`${options.name}  ${key.fingerprint}`)
  output.line(`secret     ${stem}.key      keep it offline; who has it can release`, 'dim')
  output.line(`public     ${stem}.pub`, 'dim')
  output.line(`revocation ${stem}.rev      for the safe`, 'dim')
  output.record({ type: 'key', ...facts(key), secret: `${stem}.key`, public: `${stem}.pub`, revocation: `${stem}.rev` })
}

async function listVerb(dir: string, _options: unknown, command: Command): Promise<void> {
  const output = outputOf(command)
  const there = await readdir(dir).catch((cause: unknown) => {
    throw new DrydockError('DD-TRUST-010', `expected a folder with public keys at ${dir}, found ${isErrno(cause, 'ENOENT') ? 'none' : isErrno(cause, 'ENOTDIR') ? 'a file' : 'one that cannot be read'}`, 'name the folder that `drydock key new --out` filled', { cause })
  })
  const names = there.filter(name => name.endsWith('.pub')).toSorted()
  for (const name of names) {
    const key = await readPublicKey(join(dir, name))
    output.line(`${key.fingerprint}  ${key.name}  ${key.created.toISOString().slice(0, 10)}  ${join(dir, name)}`)
    output.record({ type: 'key', ...facts(key), public: join(dir, name) })
  }
  if (names.length === 0) output.line(`no keys in ${dir}: drydock key new --name "Your Name" --out ${dir}`)
}

async function exportVerb(path: string, options: { out?: string; passphraseFile?: string }, command: Command): Promise<void> {
  const output = outputOf(command)
  const [signer] = await signersOf({ key: [path], ...(options.passphraseFile === undefined ? {} : { passphraseFile: options.passphraseFile }) })
  const armored = signer!.publicKey
  if (options.out !== undefined) await writeDurably(options.out, armored, { mode: 0o644 })
  for (const line of options.out === undefined ? armored.trimEnd().split(/\r?\n/) : [`${options.out}  ${signer!.fingerprint}`]) output.line(line)
  output.record({ type: 'key', fingerprint: signer!.fingerprint, public: options.out ?? armored })
}

function facts(key: PublicKey): object {
  return { name: key.name, fingerprint: key.fingerprint, keySha256: key.keySha256, created: key.created.toISOString() }
}

/** `Ana Ruiz` → `ana-ruiz` */
function fileStem(name: string): string {
  const stem = name.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-+|-+$/g, '')
  if (stem !== '' && name.length <= 128) return stem
  throw new DrydockError('DD-TRUST-010', `expected a name of at most 128 characters with letters or digits, found ${JSON.stringify(name.slice(0, 140))}`, 'use the name of the person: --name "Ana Ruiz"')
}
