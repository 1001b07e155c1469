import { join } from 'node:path'
import type { RealSite } from '../scenarios/real-site.ts'
import { BenchAppliance, bytesWritten, peakMemory, removeTree } from './appliance.ts'
import { withBundle, type Made } from './bundle.ts'
import { makeItems, mixed, type Sizes } from './content.ts'
import { budgetRow, GIB, inTurn, MIB, ratioRow, seconds, type Bench, type BenchOptions, type Row } from './method.ts'

const JUDGED_AT = 2 * GIB

/** `import`: one volume of mixed content, from its path to a file served out of it. */
export const importBench: Bench = {
  name: 'import',
  about: 'a 2 GiB bundle (--size) against openssl dgst + cp + sync of the same bytes; memory, bytes written',
  async run(options) {
    const size = options.size ?? JUDGED_AT
    return await withFiles(options, mixed(size), async ({ builder, bundle, last }) => {
      const ours = async (): Promise<number> => await importOnce(builder, options.folder, bundle, last)
      const reference = async (): Promise<number> => referenceCopy(bundle, options.folder)
      const timed = await inTurn(ours, reference, options.runs, options.say)
      const memory = await memoryOf(builder, options.folder, bundle)
      return [
        ratioRow('import', `${size / MIB} MiB, ${timed.value.toFixed(2)} s`, timed, 0.8, size === JUDGED_AT),
        budgetRow('import', 'memory of the importing processes', memory.unpacker, 'MiB', 150, size >= JUDGED_AT),
        { bench: 'import', row: 'memory of up meanwhile', value: memory.up, unit: 'MiB', reference: null, ratio: null, goal: 'none', held: null },
        budgetRow('import', 'bytes written, by new bytes', memory.written / size, '×', 1.05, size >= JUDGED_AT),
      ]
    })
  },
}

/** `small-items`: as many names as a large site has; what a file costs, not what a byte costs. */
export const smallItemsBench: Bench = {
  name: 'small-items',
  about: '200,000 items of 1–4 KiB (--size: how many) against tar x + sha256sum + sync of the same files; one run unless --runs',
  async run(options) {
    const count = options.size ?? 200_000
    const sizes = Array.from({ length: count }, (_none, k) => ({ name: `small/${Math.floor(k / 1000)}/${k}.bin`, size: 1024 + ((k * 7919) % 3073) }))
    return await withFiles(options, sizes, async ({ builder, bundle, last, blobs }) => {
      const tar = join(options.folder, 'reference.tar')
      seconds('tar', ['-C', blobs, '-cf', tar, '.'])
      const timed = await inTurn(
        async () => await importOnce(builder, options.folder, bundle, last),
        async () => referenceUntar(tar, join(options.folder, 'untarred')),
        options.runs, options.say,
      )
      return [ratioRow('small-items', `${count} items, ${timed.value.toFixed(1)} s`, timed, 3, count === 200_000)]
    })
  },
}

type WithFiles = Made & { last: { name: string; digest: string } }

async function withFiles(options: BenchOptions, sizes: Sizes, work: (made: WithFiles) => Promise<Row[]>): Promise<Row[]> {
  options.say(`making ${sizes.length} files`)
  return await withBundle(options, blobs => makeItems(blobs, sizes, 'drydock bench'), async made => {
    const last = made.items.findLast(item => item.name.startsWith('small/'))!
    return await work({ ...made, last: { name: last.name, digest: last.blobs[0]!.digest } })
  })
}

/** The clock stops when a client has got a file of it, and its bytes are the right ones. */
async function importOnce(builder: RealSite, folder: string, bundle: string, last: WithFiles['last']): Promise<number> {
  return await BenchAppliance.once(builder, folder, async appliance => {
    const took = await appliance.import(bundle, () => appliance.gets(last.name))
    await appliance.hasGot(last.digest)
    return took
  })
}

async function memoryOf(builder: RealSite, folder: string, bundle: string): Promise<{ up: number; unpacker: number; written: number }> {
  return await BenchAppliance.once(builder, folder, async appliance => {
    const before = bytesWritten(folder)
    const { up, children } = await peakMemory(appliance.site.pid!, async () => await appliance.import(bundle))
    return { up: Math.round(up), unpacker: Math.round(Math.max(...children.values())), written: bytesWritten(folder) - before }
  })
}

function referenceCopy(bundle: string, folder: string): number {
  const copy = join(folder, 'copy')
  const took = seconds('openssl', ['dgst', '-sha256', bundle]) + seconds('cp', ['--reflink=never', bundle, copy]) + seconds('sync', [])
  removeTree(copy)
  return took
}

function referenceUntar(tar: string, into: string): number {
  seconds('mkdir', ['-p', into])
  const took = seconds('tar', ['-C', into, '-xf', tar]) + seconds('sh', ['-c', 'find . -type f -print0 | xargs -0 sha256sum'], { cwd: into }) + seconds('sync', [])
  removeTree(into)
  return took
}
