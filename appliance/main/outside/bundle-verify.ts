import type { Command } from 'commander'
import { byteText, outputOf, type Output } from '../../cli/output.ts'
import { DrydockError } from '../../core/error.ts'
import { printable } from '../../core/printable.ts'
import { lacksSignatures, repairSet, setFiles, surveyLines, surveySet, type Survey } from '../../../bundles/build/index.ts'
import { volumeName } from '../../../bundles/format/manifest-file.ts'
import { untilInterrupted } from './interrupt.ts'
import { judgeBy, type Judge, type JudgeOptions } from './judge.ts'

/** `drydock bundle verify|repair`, under the noun that bundle.ts makes. Both look at every byte of a set first. */
export function register(bundle: Command): void {
  bundle
    .command('verify')
    .summary('check a bundle as an appliance would')
    .description(
      'Checks signatures against a trust document, the index against the manifest, and every byte against the index. Of a set it says which volumes\n' +
        'are missing or damaged, and whether the parity that is here makes them whole. The files are read from the device, not from what the kernel\n' +
        'remembers of writing them, where the file system can do that; where it cannot, it says so.',
    )
    .argument('<files...>', 'any volumes and parity volumes of one bundle, or the folder that holds them')
    .requiredOption('--trust <file>', 'the trust document')
    .option('--site <name>', 'the site that it must be for')
    .action(verifyVerb)
  bundle
    .command('repair')
    .summary('rebuild missing and damaged volumes from parity')
    .description(
      'Writes the volumes of a set that are missing or damaged again, byte for byte, from any of its volumes and parity volumes that are as many as it\n' +
        'has volumes. A damaged file is replaced and a missing one comes to stand beside the others, or with --out all of them go elsewhere. Every entry\n' +
        'is compared with the signed index before its file gets a name. Works on either side of the gap, with keys or without.',
    )
    .argument('<files...>', 'what is left of one bundle, or the folder that holds it')
    .option('--out <dir>', 'write what is rebuilt there, and leave the medium alone')
    .option('--no-parity', 'leave lost parity volumes lost')
    .option('--trust <file>', 'judge the signatures by this trust document first')
    .option('--site <name>', 'the site that it must be for; with --trust')
    .action(repairVerb)
}

async function verifyVerb(paths: string[], options: JudgeOptions & { trust: string }, command: Command): Promise<void> {
  const output = outputOf(command)
  const judge = await judgeBy(options)
  const survey = await look(paths, judge, output, 'verify')
  const { manifest, head } = survey.first
  const verified = await judge(head)
  const damaged = survey.volumes.filter(({ why }) => why !== undefined)
  const data = manifest.volumes.length
  if (damaged.length === 0 && survey.strangers.length === 0) {
    output.line(`${survey.hopeless === 0 ? 'good' : 'good as far as it is here, but not whole'}: ${manifest.name}, site ${manifest.site}, sequence ${manifest.sequence}, ${byteText(manifest.totals.bytes)}`, survey.hopeless === 0 ? 'good' : 'plain')
  }
  if (data > 1 || manifest.parity !== undefined) output.line(`volumes    ${counted(survey, number => number <= data)} of ${data}${manifest.parity === undefined ? '' : `, parity ${counted(survey, number => number > data, data)} of ${manifest.parity.length}`}`)
  for (const line of surveyLines(survey)) output.line(printable(line), line.startsWith('damaged') ? 'bad' : undefined)
  for (const signer of verified.signers) output.line(`signed by  ${signer.name} (${signer.counts === false ? `no ${verified.role} key, does not count` : verified.role}) ${signer.fingerprint}`)
  output.line(`threshold  ${verified.threshold} of ${verified.role}, held`)
  if (survey.volumes.some(({ direct }) => !direct)) output.note('read through the kernel\'s cache: this file system has no direct reads. Take the medium out, put it in again and verify once more')
  output.record({
    type: 'verified', file: survey.volumes[0]?.file, manifestDigest: verified.digest, site: manifest.site, sequence: manifest.sequence, signers: verified.signers, role: verified.role, threshold: verified.threshold,
    volumes: survey.volumes.map(({ number }) => number), missing: survey.missing.filter(number => number <= data).map(number => volumeName(manifest, number)),
    damaged: damaged.map(({ file, number, why }) => ({ file, number, code: why?.code })), whole: survey.hopeless === 0, fromDevice: survey.volumes.every(({ direct }) => direct),
  })
  const worst = worstOf(survey, paths)
  if (worst !== undefined) throw worst
}

/** The fault to tell, with what helps: a volume that lacks a signature is signed, one that is damaged is rebuilt, and a file of something else goes. */
function worstOf({ volumes, strangers, missing, hopeless }: Survey, paths: readonly string[]): DrydockError | undefined {
  const broken = volumes.find(({ why }) => why !== undefined && !lacksSignatures(why))
  const unsigned = volumes.filter(({ why }) => why !== undefined && lacksSignatures(why))
  const told = broken ?? unsigned[0] ?? strangers[0]
  if (told?.why === undefined) return undefined
  const hint =
    broken === undefined && unsigned.length > 0 ? `nothing is damaged: whoever signed the others signs ${unsigned.length === 1 ? 'this one' : 'these'} too: drydock bundle sign ${paths.join(' ')} --key NAME.key`
    : hopeless > 0 ? told.why.hint
    : broken === undefined && missing.length === 0 ? `the set is whole without ${told.file}: take it away, or verify it by itself where it is a bundle of its own`
    : `nothing is lost: rebuild it with \`drydock bundle repair ${paths.join(' ')}\``
  return new DrydockError(told.why.code, told.why.message, hint, { cause: told.why })
}

async function repairVerb(paths: string[], options: JudgeOptions & { out?: string; parity: boolean }, command: Command): Promise<void> {
  const output = outputOf(command)
  const judge = await judgeBy(options)
  const survey = await look(paths, judge, output, 'verify')
  for (const line of surveyLines(survey)) output.line(printable(line))
  if (judge === undefined) output.note('nobody\'s signature was judged: give --trust for that; the appliance judges them in any case')
  const rebuilt = await untilInterrupted(signal =>
    repairSet(survey, { signal, parity: options.parity, progress: (done, total) => output.progress({ phase: 'rebuild', done, total, unit: 'bytes', etaSeconds: null }), ...(options.out === undefined ? {} : { out: options.out }) }),
  ).finally(() => output.done())
  if (rebuilt.length === 0) output.line('nothing to rebuild: what the set needs is here and good', 'good')
  for (const { file, size, digest } of rebuilt) {
    output.line(`rebuilt    ${file}  ${byteText(size)}, read back`, 'good')
    output.line(`           ${digest}`, 'dim')
  }
  output.record({ type: 'repaired', manifestDigest: survey.first.manifestDigest, rebuilt })
}

async function look(paths: readonly string[], judge: Judge | undefined, output: Output, phase: string): Promise<Survey> {
  const files = await setFiles(paths)
  return await untilInterrupted(signal => surveySet(files, { judge, signal, progress: (_file, done, total) => output.progress({ phase, done, total, unit: 'bytes', etaSeconds: null }) })).finally(() => output.done())
}

function counted({ volumes }: Survey, is: (number: number) => boolean, less = 0): string {
  const numbers = volumes.filter(({ number }) => is(number)).map(({ number }) => number - less)
  return numbers.length === 0 ? 'none' : numbers.join(', ')
}
