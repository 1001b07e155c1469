import type { Command } from 'commander'
import { countsText } from '../../cli/counts.ts'
import { byteText, outputOf, type Output } from '../../cli/output.ts'
import { wallClock } from '../../core/clock.ts'
import { DrydockError } from '../../core/error.ts'
import { buildBundle, chunkMapsOf, keepRecord, keepSequence, openWorkspace, parityCount, readReceipt, readRecord, setFiles, signBundle, volumeBytes, type BuildInput, type OpenWorkspace } from '../../../bundles/build/index.ts'
import { ITEM_KINDS } from '../../../bundles/format/item.ts'
import { digestOf } from '../../core/digest.ts'
import { encodeManifest } from '../../../bundles/format/manifest-file.ts'
import { labelsOf } from './bundle-label.ts'
import { sbomBeside } from './bundle-sbom.ts'
import { untilInterrupted } from './interrupt.ts'
import { buildBars } from './progress-bars.ts'
import { readPublicKey, signersOf, type SigningOptions } from './key-files.ts'

/** `drydock bundle build|sign`; the other verbs stand in bundle-….ts */
export function register(program: Command): void {
  const bundle = program.command('bundle').summary('bundles').description('Bundles: what goes through the air gap.')
  bundle
    .command('build')
    .summary('make a signed bundle from a workspace')
    .description('Writes NAME-SEQUENCE.v1-of-1.drydock, or with --volume as many volumes as it takes, and reads them back. The same lock, sequence and size of volumes give the same bytes, except the signatures.')
    .argument('<workspace>', 'the folder that `bundle collect` filled')
    .requiredOption('--out <dir>', 'where the bundle goes: a folder or the medium')
    .option('--volume <size>', 'no file larger than fat32, dvd, bd25 or this many bytes; room for later signatures is kept')
    .option('--parity <k>', 'also write this many parity volumes: any k lost or damaged volumes can be rebuilt from the others')
    .option('--labels <dir>', 'also write a label to print for each volume there: text, and an SVG with a QR code')
    .option('--site <name>', 'the site it is for, or "*"; the first build of a workspace needs it')
    .option('--stream <name>', 'the stream of sequences (default: the name of the collection)')
    .option('--epoch <n>', 'start anew with a higher epoch, after a workspace was lost')
    .option('--sequence <n>', 'build this sequence again instead of the next one')
    .option('--replace', 'take the place of files of this sequence that hold something else, or signatures by others')
    .option('--since <receipt>', 'only what the appliance that wrote this receipt does not hold; RECEIPT.asc must stand beside it')
    .option('--since-bundle <sequence>', 'only what a site does not hold that has imported this earlier bundle of the workspace, for sites without a way back')
    .option('--appliance-key <file>', 'the public key of that appliance: its DATA/pki/appliance.pub')
    .option('--key <files...>', 'secret keys (.key) that sign; others can sign later with `bundle sign`')
    .option('--gpg <users...>', 'sign through gpg, for keys on a smartcard')
    .option('--passphrase-file <file>', 'the passphrase of the keys')
    .action(buildVerb)
  bundle
    .command('sign')
    .summary('add a signature to a bundle')
    .description('Adds signatures by other people, on any machine: to every volume that is named. The content is compared with the index first: nobody signs a damaged bundle.')
    .argument('<files...>', 'all volumes and parity volumes of one bundle, or the folder that holds them')
    .option('--key <files...>', 'secret keys (.key) that sign')
    .option('--gpg <users...>', 'sign through gpg, for keys on a smartcard')
    .option('--passphrase-file <file>', 'the passphrase of the keys')
    .action(signVerb)
}

/** Milliseconds between two reports of one phase. */
const PROGRESS_MS = 250

type BuildOptions = SigningOptions & { out: string; volume?: string; parity?: string; labels?: string; site?: string; stream?: string; epoch?: string; sequence?: string; replace?: boolean; since?: string; sinceBundle?: string; applianceKey?: string }

async function buildVerb(folder: string, options: BuildOptions, command: Command): Promise<void> {
  const output = outputOf(command)
  const signers = await signersOf(options)
  const epoch = wholeNumber('--epoch', options.epoch)
  const volume = options.volume === undefined ? undefined : volumeBytes(options.volume)
  const parity = options.parity === undefined ? undefined : parityCount(options.parity)
  const workspace = await openWorkspace(folder, { ...(options.site === undefined ? {} : { site: options.site }), ...(options.stream === undefined ? {} : { stream: options.stream }), ...(epoch === undefined ? {} : { epoch }) })
  const sequence = wholeNumber('--sequence', options.sequence) ?? workspace.sender.sequence + 1
  const since = await sinceOf(options, workspace, sequence)
  const built = await untilInterrupted(signal =>
    buildBundle({
      lock: workspace.lock, blobFolder: workspace.blobFolder, sender: { ...workspace.sender, sequence }, signers, out: options.out, signal, replace: options.replace === true,
      progress: told(output), ...(since === undefined ? {} : { since }), maps: chunkMapsOf(workspace.folder), ...(volume === undefined ? {} : { volumeBytes: volume }), ...(parity === undefined ? {} : { parity }),
    }),
  ).finally(() => output.done())
  await keepRecord(workspace, built.manifest)
  if (sequence > workspace.sender.sequence || epoch !== undefined) await keepSequence(workspace, sequence)
  const sbom = await sbomBeside(built.file, options.out)
  const { manifest } = built
  output.line(`${manifest.site}, sequence ${sequence} of ${manifest.stream}: ${itemCounts(manifest.totals.items)}`)
  if (manifest.omits !== undefined) output.line(`left out   ${manifest.omits} ${manifest.omits === 1 ? 'item' : 'items'} that the site has as they are`)
  for (const [k, { file, size, digest, fromDevice }] of built.volumes.entries()) {
    output.line(`${k === 0 ? 'bundle ' : '       '}    ${file}  ${byteText(size)}, read back${fromDevice === true ? ' from the device' : ''}`)
    output.line(`           ${digest}`, 'dim')
  }
  output.line(`sbom       ${sbom}`)
  if (options.labels !== undefined) for (const label of await labelsOf(built, digestOf(encodeManifest(manifest)), signers, options.labels)) output.line(`label      ${label}`)
  if (built.volumes.some(({ fromDevice }) => fromDevice !== true)) output.note('this file system has no direct reads: a cache may have answered for the medium. Take it out, put it in again, and `drydock bundle verify` it')
  output.line(`signed by  ${signers.length === 0 ? `nobody yet: drydock bundle sign ${built.volumes.map(({ file }) => file).join(' ')} --key NAME.key` : signers.map(signer => signer.fingerprint).join(', ')}`)
  output.record({ type: 'bundle', file: built.file, size: built.size, digest: built.digest, site: manifest.site, stream: manifest.stream, epoch: manifest.epoch, sequence, totals: manifest.totals, signers: signers.map(signer => signer.fingerprint), volumes: built.volumes, sbom })
}

/** What the receiver holds: what its appliance says in a receipt, or what an earlier bundle of this workspace brought it to. */
async function sinceOf(options: BuildOptions, workspace: OpenWorkspace, sequence: number): Promise<BuildInput['since']> {
  const earlier = wholeNumber('--since-bundle', options.sinceBundle)
  if (options.since !== undefined && earlier !== undefined) throw new DrydockError('DD-CLI-001', 'expected --since or --since-bundle, found both', 'a receipt knows more: leave out --since-bundle when the site can send one')
  if (earlier !== undefined && earlier >= sequence) throw new DrydockError('DD-CLI-001', `expected a sequence before ${sequence}, which is being built, behind --since-bundle, found ${earlier}`, 'name the last one that the site has surely imported')
  if (earlier !== undefined) return await readRecord(workspace.folder, workspace.sender, earlier)
  return options.since === undefined ? undefined : await readReceipt(options.since, await applianceKeyOf(options), wallClock.now())
}

async function applianceKeyOf(options: BuildOptions): Promise<Awaited<ReturnType<typeof readPublicKey>>> {
  if (options.applianceKey !== undefined) return await readPublicKey(options.applianceKey)
  throw new DrydockError('DD-CLI-001', 'expected --appliance-key beside --since, found none', 'a receipt is believed only when the appliance signed it: give its DATA/pki/appliance.pub, brought out once')
}

async function signVerb(paths: string[], options: SigningOptions, command: Command): Promise<void> {
  const output = outputOf(command)
  const files = await setFiles(paths)
  const signers = await signersOf(options)
  if (signers.length === 0) throw new DrydockError('DD-CLI-001', 'expected --key or --gpg, found neither', 'say who signs: --key NAME.key')
  for (const signer of signers) {
    const { signatures } = await untilInterrupted(signal => signBundle(files, signer, signal))
    for (const file of files) output.line(`${file}  signed by ${signer.fingerprint}, ${signatures} in all`)
    for (const file of files) output.record({ type: 'signed', file, fingerprint: signer.fingerprint, signatures })
  }
  output.note('these files are others now: labels that were printed before are not theirs (drydock bundle label); every volume of a set needs the signature')
}

/** At most PROGRESS_MS apart, whatever the size of the entries: a pipe of 200,000 lines helps nobody. */
function told(output: Output): NonNullable<BuildInput['progress']> {
  const bar = buildBars()
  let last = { phase: '', at: 0 }
  return progress => {
    const next = bar(progress)
    const at = performance.now()
    if (progress.phase === last.phase && progress.done < progress.total && at - last.at < PROGRESS_MS) return
    last = { phase: progress.phase, at }
    output.progress(next)
  }
}

function itemCounts(items: Record<string, number>): string {
  return countsText(ITEM_KINDS.flatMap(kind => (items[kind] === undefined ? [] : [[kind, items[kind]] as const])))
}

function wholeNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new DrydockError('DD-CLI-001', `expected a whole number behind ${option}, found ${JSON.stringify(text)}`, `for example: ${option} 7`)
}
