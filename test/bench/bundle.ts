import { join } from 'node:path'
import type { Item } from '../../bundles/format/item.ts'
import { RealSite } from '../scenarios/real-site.ts'
import { writeLock } from './content.ts'
import type { BenchOptions, Row } from './method.ts'

/** Keys and media of one bench, the content, and the bundle of it in one volume, signed by both. */
export type Made = { builder: RealSite; bundle: string; full: Built; workspace: string; blobs: string; items: readonly Item[] }

export async function withBundle(options: BenchOptions, make: (blobs: string) => Item[], work: (made: Made) => Promise<Row[]>): Promise<Row[]> {
  const clean: (() => unknown)[] = []
  const builder = new RealSite({ teardown: (undo: () => unknown) => void clean.push(undo) } as never)
  try {
    await builder.plan()
    const workspace = join(options.folder, 'workspace')
    const blobs = join(workspace, 'blobs')
    const items = make(blobs)
    writeLock(workspace, 'bench', items)
    options.say('building the bundle')
    const full = await build(builder, workspace)
    return await work({ builder, bundle: full.file, full, workspace, blobs, items })
  } finally {
    for (const undo of clean) await undo()
  }
}

/** The first volume, the bytes of all of them, and what it took. */
export type Built = { file: string; bytes: number; seconds: number }

/** `drydock bundle build` with both keys. */
export async function build(builder: RealSite, workspace: string, more: readonly string[] = []): Promise<Built> {
  const started = performance.now()
  const run = await builder.must('ana', ['bundle', 'build', workspace, '--site', 'site-a', '--out', builder.media, '--key', builder.keys.ana, builder.keys.jon, ...more, '--json'])
  const volumes = run.records().filter(record => record['type'] === 'bundle' || record['type'] === 'volume')
  const files = new Map(volumes.map(record => [String(record['file']), Number(record['size'])]))
  return { file: [...files.keys()][0]!, bytes: files.values().reduce((sum, size) => sum + size, 0), seconds: (performance.now() - started) / 1000 }
}
