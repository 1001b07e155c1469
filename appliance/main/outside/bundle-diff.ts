import { open, readFile, stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { alignedLines, terminalWidth } from '../../cli/columns.ts'
import { byteText, outputOf, type Output } from '../../cli/output.ts'
import { wallClock } from '../../core/clock.ts'
import { digestOf, type Digest } from '../../core/digest.ts'
import { byKind, differenceOf, differenceToInventory, digestsOf, openSet, packingList, readReceipt, setFiles, type Difference, type OpenedVolume } from '../../../bundles/build/index.ts'
import { checkShape } from '../../../bundles/format/check.ts'
import type { Item } from '../../../bundles/format/item.ts'
import { Receipt } from '../../../bundles/format/receipt.ts'
import { parseCanonicalJson } from '../../../bundles/format/strict-json.ts'
import { readPublicKey } from './key-files.ts'

/** `drydock bundle diff A B`, under the noun that bundle.ts makes. */
export function register(bundle: Command): void {
  bundle
    .command('diff')
    .summary('what one bundle brings beside another, or beside a receipt')
    .description(
      'Compares what two bundles hold, by kind: added, removed, changed in version, and altered (one version, other bytes), and how many bytes\n' +
        'are new. A receipt may stand for the first: then it is what that site would get. Any one volume of a bundle is enough.\n' +
        'Nobody\'s signature is judged; a receipt\'s is with --appliance-key. A delta names its base, and what can only be known there is said.',
    )
    .argument('<before>', 'a volume of the earlier bundle or the folder that holds it, or the receipt of a site (JSON)')
    .argument('<after>', 'a volume of the later bundle, or the folder that holds it')
    .option('--all', 'every item; without it the first of each sort')
    .option('--exit-code', 'end with 1 when they differ, as diff does; without it 0 means that the comparison was made')
    .option('--appliance-key <file>', 'the public key of the appliance: the receipt must be signed by it')
    .action(diffVerb)
}

type Side = { what: string; items: readonly Item[]; holds: (digest: string) => boolean; base: Digest | undefined; digest: Digest; inventory?: ReadonlySet<string> }
type DiffOptions = { all?: boolean; exitCode?: boolean; applianceKey?: string }

async function diffVerb(before: string, after: string, options: DiffOptions, command: Command): Promise<void> {
  const output = outputOf(command)
  const a = (await isReceipt(before)) ? await receiptSide(before, options.applianceKey) : bundleSide(await opened(before))
  const told = await opened(after)
  const b = bundleSide(told)
  const whole = a.inventory === undefined ? differenceOf(a.items, b.items) : differenceToInventory(a.inventory, b.items)
  // A delta need not name what stays as it is.
  const found = b.base === undefined ? whole : { ...whole, removed: [] }
  const kinds = byKind(found, a.holds)
  const newBytes = kinds.reduce((sum, kind) => sum + kind.newBytes, 0)
  const differs = found.same.length !== b.items.length || found.removed.length > 0
  const remarks = remarksOf(a, b, whole.removed.length - found.removed.length)

  output.line(`before     ${a.what}`)
  output.line(`after      ${b.what}`)
  for (const remark of remarks) output.line(`           ${remark}`, 'dim')
  output.line(differs ? `new        ${byteText(newBytes)} of blobs that are not there before; ${byteText(told.manifest.totals.bytes)} travel in this bundle` : 'the same items with the same bytes')
  if (differs) {
    output.line()
    const rows = kinds.map(row => [row.kind, row.added, row.removed, row.changed, row.altered, row.same, byteText(row.newBytes)].map(String))
    for (const [k, line] of alignedLines([['KIND', 'ADDED', 'REMOVED', 'CHANGED', 'ALTERED', 'SAME', 'NEW'], ...rows], { right: column => column > 0 }).entries()) output.line(line, k === 0 ? 'dim' : 'plain')
    itemLines(found, options.all === true, output)
  }
  output.record({ type: 'diff', differs, before: { what: a.what, digest: a.digest, base: a.base ?? null }, after: { what: b.what, digest: b.digest, base: b.base ?? null }, remarks, newBytes, travels: told.manifest.totals.bytes })
  for (const kind of kinds) output.record({ type: 'kind', ...kind, travels: packingList(told.index).kinds.find(each => each.kind === kind.kind)?.travels ?? 0 })
  for (const [sort, from, to] of sorted(found)) output.record({ type: 'item', sort, ...nameOf(to ?? from!), from: from?.version ?? null, to: to?.version ?? null })
  if (differs && options.exitCode === true) process.exitCode = 1
}

async function opened(file: string): Promise<OpenedVolume> {
  const set = await openSet(await setFiles([file]))
  await set.close()
  return set.volumes[0]!
}

function bundleSide({ manifest, manifestDigest, index }: OpenedVolume): Side {
  const digests = digestsOf(index.items)
  const what = `${manifest.name}, sequence ${manifest.sequence} of stream ${manifest.stream}, ${index.items.length} items, ${byteText(manifest.totals.bytes)}${manifest.base === undefined ? '' : ', a delta'}`
  return { what, items: index.items, holds: digest => digests.has(digest), base: manifest.base, digest: manifestDigest }
}

/** A receipt is a JSON document; a volume is a tar whose first entry is manifest.json. */
async function isReceipt(file: string): Promise<boolean> {
  // What is no plain file is a folder of volumes, or nothing: openSet tells.
  if ((await stat(file).catch(() => undefined))?.isFile() !== true) return false
  const handle = await open(file)
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(1), 0, 1, 0)
    return bytesRead === 1 && buffer[0] === 0x7b
  } finally {
    await handle.close()
  }
}

async function receiptSide(file: string, keyFile: string | undefined): Promise<Side> {
  const bytes = await readFile(file)
  const receipt = keyFile === undefined ? checkShape(Receipt, parseCanonicalJson(bytes, file), file) : (await readReceipt(file, await readPublicKey(keyFile), wallClock.now())).receipt
  const inventory = new Set<string>(receipt.inventory)
  const judged = keyFile === undefined ? 'its signature is not judged' : 'signed by its appliance'
  const what = `what ${receipt.site} holds after sequence ${receipt.sequence} of ${receipt.stream} (generation ${receipt.generation}), ${inventory.size} blobs; ${judged}`
  return { what, items: [], holds: digest => inventory.has(digest), base: undefined, digest: digestOf(bytes), inventory }
}

/** What this comparison cannot know. */
function remarksOf(a: Side, b: Side, unnamed: number): string[] {
  return [
    ...(a.inventory === undefined ? [] : ['a receipt names blobs, not items: what is removed or altered cannot be told from it']),
    ...(a.base === undefined ? [] : [`the first is a delta that stands on ${a.base}: what it does not name may be there all the same, and then is no addition`]),
    ...(b.base === undefined || b.base === a.digest ? [] : [`the second is a delta that stands on ${b.base}, not on the first: what it does not bring must be there`]),
    ...(unnamed === 0 ? [] : [`${unnamed} items of the first are not named by the second: a delta may leave out what stays, so they do not count as removed`]),
  ]
}

/** So many of each sort are shown. */
const SHOWN = 20

type Sorted = ['added' | 'removed' | 'changed' | 'altered', Item | undefined, Item | undefined]

function sorted(found: Difference): Sorted[] {
  return [
    ...found.altered.map(({ from, to }): Sorted => ['altered', from, to]),
    ...found.changed.map(({ from, to }): Sorted => ['changed', from, to]),
    ...found.added.map((item): Sorted => ['added', undefined, item]),
    ...found.removed.map((item): Sorted => ['removed', item, undefined]),
  ]
}

const SIGNS = { altered: '!', changed: '~', added: '+', removed: '-' } as const

function itemLines(found: Difference, all: boolean, output: Output): void {
  const width = terminalWidth()
  for (const [sort, items] of Map.groupBy(sorted(found), ([each]) => each)) {
    const shown = all ? items : items.slice(0, SHOWN)
    const rows = shown.map(([, from, to]) => {
      const { kind, name, version, variant } = (to ?? from)!
      const versions = sort === 'changed' ? `${from!.version} → ${version}` : sort === 'altered' ? `${version}, with other bytes` : version
      return [`${SIGNS[sort]} ${kind}`, name, variant === undefined ? versions : `${versions} ${variant}`]
    })
    output.line()
    for (const line of alignedLines(rows, width === undefined ? {} : { width: { most: width, gives: 1 } })) output.line(line, sort === 'altered' ? 'bad' : 'plain')
    if (items.length > shown.length) output.line(`and ${items.length - shown.length} more ${sort} (--all)`, 'dim')
  }
}

function nameOf({ kind, name, variant }: Item): object {
  return { kind, name, ...(variant === undefined ? {} : { variant }) }
}
