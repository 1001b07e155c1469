import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { outputOf, type Output } from '../../cli/output.ts'
import { terminalWidth } from '../../cli/columns.ts'
import { DrydockError } from '../../core/error.ts'
import { openSet, packingList, setFiles, type OpenedSet } from '../../../bundles/build/index.ts'
import { licenceSummary, licenceText } from '../../../bundles/format/licence.ts'
import { ITEM_KINDS } from '../../../bundles/format/item.ts'
import { volumeName } from '../../../bundles/format/manifest-file.ts'
import { signatureIssuers } from '../../../bundles/openpgp/index.ts'
import { judgeBy, type JudgeOptions } from './judge.ts'
import { packingLines, type Packed } from './packing-lines.ts'

/** `drydock bundle inspect FILES…`, under the noun that bundle.ts makes. */
export function register(bundle: Command): void {
  bundle
    .command('inspect')
    .summary('the packing list of a bundle')
    .description(
      'Shows what a bundle says about itself: who it is for, its volumes, what is in it by kind, licences, and the items. One volume is enough.\n' +
        'Needs no trust and judges nobody\'s signature unless --trust is given; the content is not read: `bundle verify` does that.',
    )
    .argument('<files...>', 'any volumes of one bundle, or the folder that holds them')
    .option('--kind <kind>', `only items of this kind: ${ITEM_KINDS.join(', ')}`)
    .option('--all', 'every item; without it the first of each kind')
    .option('--trust <file>', 'judge the signatures by this trust document first')
    .option('--site <name>', 'the site that it must be for; with --trust')
    .action(inspectVerb)
}

type InspectOptions = JudgeOptions & { kind?: string; all?: boolean }

async function inspectVerb(files: string[], options: InspectOptions, command: Command): Promise<void> {
  const output = outputOf(command)
  const kind = options.kind === undefined ? undefined : ITEM_KINDS.find(each => each === options.kind)
  if (options.kind !== undefined && kind === undefined) throw new DrydockError('DD-CLI-001', `expected a kind (${ITEM_KINDS.join(', ')}) behind --kind, found ${JSON.stringify(options.kind)}`, 'for example: --kind npm')
  const judge = await judgeBy(options)
  const set = await openSet(await setFiles(files), judge)
  try {
    const { head, manifest, manifestDigest, index } = set.volumes[0]!
    const list = packingList(index)
    const packed: Packed = {
      manifest, manifestDigest,
      volumes: await volumesOf(set),
      issuers: await signatureIssuers(head.signatures),
      verified: judge === undefined ? undefined : await judge(head),
      list: kind === undefined ? list : { ...list, items: list.items.filter(({ item }) => item.kind === kind) },
      licences: licenceSummary(index.items),
    }
    for (const { text, tone } of packingLines(packed, { all: options.all === true, width: terminalWidth() })) output.line(text, tone)
    if (output.json) records(packed, set, output)
  } finally {
    await set.close()
  }
}

async function volumesOf({ volumes }: OpenedSet): Promise<Packed['volumes']> {
  const { manifest } = volumes[0]!
  const numbers = Array.from({ length: manifest.volumes.length + (manifest.parity?.length ?? 0) }, (_, k) => k + 1)
  return await Promise.all(numbers.map(async number => {
    const here = volumes.find(volume => volume.number === number)
    const told = manifest.volumes[number - 1]
    const name = volumeName(manifest, number)
    return { number, name: here?.file ?? name, size: here === undefined ? null : (await stat(here.file)).size, payload: told?.payloadSize ?? null, entries: told?.entries ?? null, here: here !== undefined }
  }))
}

/** One object a line: the bundle, its volumes, its kinds, its licences, then every item. */
function records({ manifest, manifestDigest, volumes, issuers, verified, list, licences }: Packed, set: OpenedSet, output: Output): void {
  output.record({
    type: 'bundle', file: set.volumes[0]!.file, manifestDigest, manifest, issuers, signatures: verified === undefined ? 'not judged' : 'held', ...(verified === undefined ? {} : { signers: verified.signers, role: verified.role, threshold: verified.threshold }),
    missing: set.missing, ways: list.ways,
  })
  for (const volume of volumes) output.record({ type: 'volume', ...volume })
  for (const kind of list.kinds) output.record({ type: 'kind', ...kind })
  output.record({ type: 'licences', ...licences })
  for (const { key, item, bytes, travels } of list.items) output.record({ type: 'item', key, bytes, travels, licence: licenceText(item), ...item })
}
