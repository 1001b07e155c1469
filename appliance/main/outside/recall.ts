import { existsSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Option, type Command } from 'commander'
import { parse, stringify, YAMLParseError } from 'yaml'
import { outputOf } from '../../cli/output.ts'
import { wallClock } from '../../core/clock.ts'
import { writeDurably } from '../../core/durable-file.ts'
import { DrydockError, isErrno } from '../../core/error.ts'
import { buildBundle } from '../../../bundles/build/index.ts'
import { checkShape } from '../../../bundles/format/check.ts'
import { Workspace } from '../../../bundles/format/collection-lock.ts'
import { SEVERITIES, type Recall } from '../../../bundles/format/recall.ts'
import { checkRecall } from '../../../importer/verify/index.ts'
import { untilInterrupted } from './interrupt.ts'
import { signersOf, type SigningOptions } from './key-files.ts'

/** Beside the recall files of a sender: which sender it is and the last sequence it used. */
const SENDER_FILE = 'recalls.json'

/** `drydock recall new|bundle`, under the noun that cli/recall.ts makes. */
export function register(recall: Command): void {
  recall
    .command('new')
    .summary('write a recall file')
    .description('Writes a recall file (YAML): what is withdrawn, why, and what to use instead. Edit it as you like; `recall bundle` checks it.')
    .requiredOption('--id <name>', 'names it for ever, like 2026-esbuild')
    .option('--item <keys...>', 'what is withdrawn: npm:left-pad@1.3.0, deb:curl@7.88.1-10, or npm:left-pad@* for every version')
    .option('--digest <digests...>', 'the same by content: sha256:…')
    .option('--lift', 'take the recall of this id back instead')
    .requiredOption('--reason <text>', 'why; clients that are refused read it')
    .addOption(new Option('--severity <level>', 'how bad it is').choices(SEVERITIES).default('high'))
    .option('--replacement <text>', 'what to use instead')
    .requiredOption('--out <file>', 'the file to write')
    .action(newVerb)
  recall
    .command('bundle')
    .summary('pack recall files for the appliances')
    .description('Packs recall files as one tiny bundle, to be signed by the recall keys. At a site one other person than who brings it must approve, and it takes effect at once.\nThe sequence is counted in recalls.json beside the first file: keep the recall files of one sender in one folder.')
    .argument('<files...>', 'recall files')
    .requiredOption('--out <dir>', 'where the bundle goes: a folder or the medium')
    .option('--site <name>', 'the site it is for; the first bundle of a folder decides (default: "*")')
    .option('--epoch <n>', 'start anew with a higher epoch, after the folder was lost')
    .option('--key <files...>', 'secret keys (.key) that sign; others can sign later with `bundle sign`')
    .option('--gpg <users...>', 'sign through gpg, for keys on a smartcard')
    .option('--passphrase-file <file>', 'the passphrase of the keys')
    .action(bundleVerb)
}

type NewOptions = { id: string; item?: string[]; digest?: string[]; lift?: boolean; reason: string; severity: (typeof SEVERITIES)[number]; replacement?: string; out: string }

async function newVerb(options: NewOptions, command: Command): Promise<void> {
  const output = outputOf(command)
  if (existsSync(options.out)) throw new DrydockError('DD-IMPORT-021', `expected no file at ${options.out}, found one`, 'use another --out, or edit that file')
  const recall = checkRecall(
    {
      action: options.lift === true ? 'lift' : 'recall', id: options.id, reason: options.reason, severity: options.severity, date: now(), digests: options.digest ?? [], items: options.item ?? [],
      ...(options.replacement === undefined ? {} : { replacement: options.replacement }),
    },
    `recall ${options.id}`,
  )
  await writeDurably(options.out, stringify(recall), { mode: 0o644 })
  output.line(`${options.out}: ${described(recall)}`)
  output.line(`next       drydock recall bundle ${options.out} --out DIR --key RECALL.key`)
  output.record({ type: 'recall', file: options.out, ...recall })
}

type BundleOptions = SigningOptions & { out: string; site?: string; epoch?: string }

async function bundleVerb(files: string[], options: BundleOptions, command: Command): Promise<void> {
  const output = outputOf(command)
  const recalls = await Promise.all(files.map(readRecall))
  const senderFile = join(dirname(files[0]!), SENDER_FILE)
  const before = await readSender(senderFile)
  if (before !== undefined && options.site !== undefined && options.site !== before.site) {
    throw new DrydockError('DD-BUNDLE-014', `expected site ${before.site}, which the recalls in this folder are for, found ${options.site}`, 'leave out --site, or keep the recalls of that site in another folder')
  }
  const epoch = options.epoch === undefined ? (before?.epoch ?? 0) : Number(options.epoch)
  if (!Number.isSafeInteger(epoch) || epoch < (before?.epoch ?? 0)) throw new DrydockError('DD-CLI-001', `expected a whole number of at least ${before?.epoch ?? 0} behind --epoch, found ${JSON.stringify(options.epoch)}`, `for example: --epoch ${(before?.epoch ?? 0) + 1}`)
  const sequence = before?.epoch === epoch ? before.sequence + 1 : 1
  const sender = checkShape(Workspace, { format: 'drydock-workspace/1', id: before?.id ?? randomUUID(), site: before?.site ?? options.site ?? '*', stream: 'recall', epoch, sequence }, SENDER_FILE)
  const signers = await signersOf(options)
  const items = recalls.map(recall => ({ kind: 'recall' as const, name: recall.id, version: recall.date, metadata: { recall }, blobs: [], source: `pkg:generic/recall-${recall.id}` }))
  const built = await untilInterrupted(signal => buildBundle({ lock: { format: 'drydock-collection-lock/1', name: 'recall', created: now(), items }, blobFolder: '/nonexistent', sender, signers, out: options.out, signal }))
  await writeDurably(senderFile, `${JSON.stringify(sender, null, 2)}\n`, { mode: 0o644 })
  output.line(`recall, sequence ${sequence} for ${sender.site === '*' ? 'every site' : `site ${sender.site}`}`)
  for (const recall of recalls) output.line(`${recall.action.padEnd(10)} ${described(recall)}`)
  output.line(`bundle     ${built.file}`)
  output.line(`signed by  ${signers.length === 0 ? 'nobody yet: drydock bundle sign' : signers.map(({ fingerprint }) => fingerprint).join(', ')}`)
  output.record({ type: 'recall-bundle', file: built.file, digest: built.digest, site: sender.site, epoch, sequence, recalls, signers: signers.map(({ fingerprint }) => fingerprint) })
}

function now(): string {
  return `${wallClock.now().toISOString().slice(0, 19)}Z`
}

function described({ id, severity, items, digests, action }: Recall): string {
  return action === 'lift' ? `${id} is taken back` : `${id} (${severity}): ${[...items, ...digests].join(', ')}`
}

/** YAML or JSON; lists that are empty may be left out. @throws DD-IMPORT-021 */
async function readRecall(file: string): Promise<Recall> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new DrydockError('DD-IMPORT-021', `expected a recall file at ${file}, found ${isErrno(cause, 'ENOENT') ? 'none' : 'one that cannot be read'}`, 'make one with `drydock recall new`', { cause })
  })
  try {
    return checkRecall({ action: 'recall', digests: [], items: [], ...(parse(text) as object) }, file)
  } catch (failure) {
    if (!(failure instanceof YAMLParseError)) throw failure
    throw new DrydockError('DD-IMPORT-021', `expected YAML in ${file}, found a mistake in line ${failure.linePos?.[0].line ?? '?'}`, 'correct the file', { cause: failure })
  }
}

async function readSender(file: string): Promise<Workspace | undefined> {
  try {
    return checkShape(Workspace, JSON.parse(await readFile(file, 'utf8')), file)
  } catch (failure) {
    if (isErrno(failure, 'ENOENT')) return undefined
    throw failure instanceof DrydockError ? failure : new DrydockError('DD-BUNDLE-017', `expected the sequences of this folder's recalls in ${file}, found something else`, 'restore it, or start anew: delete it and add --epoch with a higher number', { cause: failure })
  }
}
