import type { Command } from 'commander'
import { collect, type Collected } from '../../../bundles/collect/collect.ts'
import { ITEM_KINDS } from '../../../bundles/format/item.ts'
import { byteText, outputOf } from '../../cli/output.ts'
import { collectBar } from './progress-bars.ts'
import { wallClock } from '../../core/clock.ts'
import { untilInterrupted } from './interrupt.ts'

/** `drydock bundle collect COLLECTION.yaml --workspace DIR [--json]`, under the noun that bundle.ts makes. */
export function register(bundle: Command): void {
  bundle
    .command('collect')
    .summary('resolve a collection file and fetch all that it names')
    .description(
      'Resolves a collection file (YAML) to WORKSPACE/lock.json with every digest, and fetches what it names into WORKSPACE/blobs.\n' +
        'Packages come from the registries that this machine is set up for (/etc/apt, npm config, pip config); signatures and hashes\n' +
        'of upstream are checked. Run it again to go on where it stopped: what is there, also half of a large file, is not fetched again.',
    )
    .argument('<collection>', 'the collection file')
    .requiredOption('--workspace <dir>', 'folder of the sender; it is made when it is not there')
    .option('--prune', 'delete blobs that neither this lock, nor the three before it, nor the last bundle needs')
    .action(collectVerb)
}

async function collectVerb(collection: string, { workspace, prune = false }: { workspace: string; prune?: boolean }, command: Command): Promise<void> {
  const output = outputOf(command)
  const began = performance.now()
  try {
    const collected = await untilInterrupted(signal =>
      collect({
        collection,
        workspace,
        prune,
        environment: process.env,
        clock: wallClock,
        signal,
        progress: progress => output.progress(collectBar(progress)),
      }),
    )
    output.done()
    const seconds = Math.round((performance.now() - began) / 100) / 10
    for (const line of report(collected, workspace, seconds, prune)) output.line(line)
    const { lock, lockPath, lockDigest, counts, bytes, blobs, fetchedBytes, unneeded } = collected
    output.record({ type: 'collected', name: lock.name, created: lock.created, lock: lockPath, digest: lockDigest, items: counts, bytes, blobs, fetchedBytes, unneeded: { ...unneeded, pruned: prune }, seconds })
  } finally {
    output.done()
  }
}

function report({ lock, lockPath, lockDigest, counts, bytes, blobs, fetchedBytes, unneeded }: Collected, workspace: string, seconds: number, pruned: boolean): string[] {
  const kinds = ITEM_KINDS.filter(kind => counts[kind] !== undefined).map(kind => `${kind} ${counts[kind]}`)
  return [
    `${lock.name}, ${lock.created.replace('T', ' ').replace('Z', ' UTC')}: ${kinds.join(' · ')}`,
    `content    ${byteText(bytes)} in ${blobs} blobs, ${fetchedBytes === 0 ? 'nothing' : byteText(fetchedBytes)} fetched now in ${seconds} s`,
    ...(unneeded.blobs === 0 ? [] : [`${pruned ? 'pruned  ' : 'unneeded'}   ${unneeded.blobs} blobs, ${byteText(unneeded.bytes)}${pruned ? '' : ', that no lock needs any more: --prune deletes them'}`]),
    `lock       ${lockPath}`,
    `           ${lockDigest}`,
    `next       drydock bundle build ${workspace} --out DIR --site SITE --key FILE`,
  ]
}
