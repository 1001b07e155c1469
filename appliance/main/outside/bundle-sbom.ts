import { join } from 'node:path'
import type { Command } from 'commander'
import { openDurable } from '../../core/durable-file.ts'
import { byteText, outputOf } from '../../cli/output.ts'
import { openBundle, openSet, setFiles } from '../../../bundles/build/index.ts'
import { sbomName, sbomText, type Told } from '../../../bundles/sbom/index.ts'
import { judgeBy, type JudgeOptions } from './judge.ts'

/** `drydock bundle sbom FILES… [--out FILE]`, under the noun that bundle.ts makes. */
export function register(bundle: Command): void {
  bundle
    .command('sbom')
    .summary('the software bill of materials of a bundle')
    .description(
      'Prints what a bundle holds as CycloneDX 1.6 JSON, or writes it with --out: every item with its purl, version, SHA-256 and the licences that\n' +
        'upstream declared. It is computed from manifest and index alone, so any one volume is enough, and both sides of the gap get the same bytes.\n' +
        'Without --trust nobody\'s signature is judged, and it says so: then it tells what the file says of itself.',
    )
    .argument('<files...>', 'any volumes of one bundle, or the folder that holds them')
    .option('--out <file>', 'write it there instead of printing it')
    .option('--trust <file>', 'judge the signatures by this trust document first')
    .option('--site <name>', 'the site that it must be for; with --trust')
    .action(sbomVerb)
}

async function sbomVerb(files: string[], options: JudgeOptions & { out?: string }, command: Command): Promise<void> {
  const output = outputOf(command)
  const judge = await judgeBy(options)
  const set = await openSet(await setFiles(files), judge)
  await set.close()
  const told = set.volumes[0]!
  const signatures = judge === undefined ? 'not judged' : 'held'
  const facts = { type: 'sbom', format: 'CycloneDX 1.6', manifestDigest: told.manifestDigest, items: told.index.items.length, signatures }
  output.note(judge === undefined ? 'nobody\'s signature was judged: give --trust for that' : 'enough trusted people signed this bundle')
  if (options.out !== undefined) {
    const { size, digest } = await writeSbom(options.out, told)
    output.line(`${options.out}  ${byteText(size)}, ${told.index.items.length} items`)
    output.record({ ...facts, file: options.out, size, digest })
  } else if (output.json) output.record({ ...facts, sbom: JSON.parse([...sbomText(told)].join('')) as unknown })
  // Not by lines: this is the document itself, ASCII already, for a pipe or a file.
  else for (const piece of sbomText(told)) process.stdout.write(piece)
}

/** Beside the volumes of a bundle that was just built. @returns the path */
export async function sbomBeside(volume: string, folder: string): Promise<string> {
  const opened = await openBundle(volume)
  await opened.close()
  const path = join(folder, sbomName(opened.manifest))
  await writeSbom(path, opened)
  return path
}

async function writeSbom(path: string, told: Told): Promise<{ size: number; digest: string }> {
  const file = await openDurable(path, { mode: 0o644 })
  try {
    for (const piece of sbomText(told)) await file.write(Buffer.from(piece))
    return await file.commit()
  } finally {
    await file.discard()
  }
}
