import type { Command } from 'commander'
import { outputOf } from '../../cli/output.ts'
import { digestOfFile } from '../../core/digest.ts'
import type { Signer } from '../../core/signer.ts'
import { setFiles, surveySet, writeLabel, type Built } from '../../../bundles/build/index.ts'
import { parsePublicKey, signatureIssuers } from '../../../bundles/openpgp/index.ts'
import { untilInterrupted } from './interrupt.ts'
import { judgeBy, type JudgeOptions } from './judge.ts'

/** `drydock bundle label FILES… --out DIR`, under the noun that bundle.ts makes. */
export function register(bundle: Command): void {
  bundle
    .command('label')
    .summary('a label to print for each volume')
    .description(
      'Writes NAME-SEQUENCE.vK-of-N.label.svg and .label.txt for each file: what it is, who signed it, and the SHA-256 of the file and of the manifest,\n' +
        'also as a QR code whose text `sha256sum -c` takes. Every byte is checked first: a damaged volume gets no label. Without --trust the signers are\n' +
        'told by their fingerprints, as not judged.',
    )
    .argument('<files...>', 'volumes and parity volumes of one bundle, or the folder that holds them')
    .requiredOption('--out <dir>', 'where the labels go')
    .option('--trust <file>', 'judge the signatures by this trust document, and name the signers')
    .option('--site <name>', 'the site that it must be for; with --trust')
    .action(labelVerb)
}

async function labelVerb(paths: string[], options: JudgeOptions & { out: string }, command: Command): Promise<void> {
  const output = outputOf(command)
  const judge = await judgeBy(options)
  const files = await setFiles(paths)
  const survey = await untilInterrupted(signal => surveySet(files, { judge, signal, progress: (_file, done, total) => output.progress({ phase: 'verify', done, total, unit: 'bytes', etaSeconds: null }) })).finally(() => output.done())
  const bad = survey.volumes.find(({ why }) => why !== undefined)?.why ?? survey.strangers[0]?.why
  if (bad !== undefined) throw bad
  const { manifest, manifestDigest, head } = survey.first
  const signers = judge === undefined ? (await signatureIssuers(head.signatures)).map(fingerprint => ({ fingerprint })) : (await judge(head)).signers
  for (const { file, number } of survey.volumes) {
    const { digest, size } = await digestOfFile(file)
    const labels = await writeLabel({ manifest, manifestDigest, number, digest, size, signers }, options.out)
    for (const label of labels) output.line(label)
    output.record({ type: 'label', file, number, digest, labels })
  }
}

/** For a bundle that was just built and read back. @returns the files */
export async function labelsOf(built: Built, manifestDigest: Parameters<typeof writeLabel>[0]['manifestDigest'], signers: readonly Signer[], folder: string): Promise<string[]> {
  const named = await Promise.all(signers.map(async ({ publicKey, fingerprint }) => ({ fingerprint, name: (await parsePublicKey(publicKey, 'the signer')).name })))
  const labels: string[] = []
  for (const [k, { digest, size }] of built.volumes.entries()) labels.push(...(await writeLabel({ manifest: built.manifest, manifestDigest, number: k + 1, digest, size, signers: named }, folder)))
  return labels
}
