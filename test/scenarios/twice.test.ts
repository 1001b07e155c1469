import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { RealSite } from './real-site.ts'

/** Several processes on a busy machine. */
t.setTimeout(280_000)

const site = await RealSite.open(t)

await t.test('the volumes of a set, named again with the one that was missing: those that are here hold up nothing', async t => {
  const first = await site.bundle({ files: Object.fromEntries([1, 2, 3].map(k => [`file-${k}`, Buffer.alloc(150_000, k)])), more: ['--volume', '300000'] })
  const set = readdirSync(site.media).filter(name => name.endsWith('.drydock')).toSorted().map(name => join(dirname(first), name))
  t.ok(set.length >= 2)
  t.match(await site.drydock('olga', ['import', 'run', set[0]!]), { code: 4, out: /parked, waits for what is missing/ })
  const again = await site.drydock('olga', ['import', 'run', ...set])
  t.match(again, { code: 4, out: /v1-of-\d\.drydock: is here already\n[^]*stopped here, nothing was taken in: drydock import proceed stream-1-1/ }, again.err)
})

await t.test('a bundle that is brought twice: the second preflight names the first, and names by sequence still work', async t => {
  const bundle = await site.bundle()
  t.match(await site.drydock('olga', ['import', 'run', bundle, '--yes']), { code: 4, out: /drydock import approve stream-2-1/ })
  t.match(await site.drydock('olga', ['import', 'run', bundle]), { code: 4, out: /also here {2}the same bundle, awaiting-approval, brought by olga at .+ UTC: drydock import show [0-9a-f-]{36}/ })
  t.match(await site.drydock('paul', ['import', 'approve', 'stream-2-1']), { code: 0, out: /imported: sequence 1[^]*drydock receipt export stream-2-1/ })
  t.match(await site.drydock('olga', ['receipt', 'export', 'stream-2-1', site.folder]), { code: 0, out: /receipt-stream-2-1\.json/ })
  t.match(await site.drydock('olga', ['import', 'show', 'stream-2-1']), { code: 0, out: /^served {5}since generation/m })
})
