import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { shardBytes } from '../../../bundles/format/parity.ts'
import { bundleOf } from '../../support/bundles.ts'

await t.test('somebody without Drydock rebuilds lost volumes by the lines of the README and forty of Python', async t => {
  const folder = t.testdir()
  const files = { a: randomBytes(3_000), b: randomBytes(2_001), c: randomBytes(2_500), d: randomBytes(17), e: randomBytes(2_900) }
  const { volumes, manifest } = await bundleOf({ folder, files, signers: [], volumeBytes: 72 * 1024, parity: 2 })
  const data = manifest.volumes.length
  t.ok(data >= 3, `${data} volumes`)
  const lost = [1, 3]
  const sh = (command: string): Buffer => execFileSync('bash', ['-euo', 'pipefail', '-c', command], { cwd: folder })
  for (const { file } of volumes) sh(`tar -xf ${file}`)
  const shards = volumes.map((_volume, k) => {
    if (k >= data) return sh(`cat parity/${k - data + 1}/*`)
    return sh(`zstd -q -dc index/* | jq -r 'select(.entry.volume == ${k + 1}) | .entry.name' | xargs cat`)
  })
  for (const [k, shard] of shards.entries()) if (!lost.includes(k + 1)) writeFileSync(join(folder, `shard-${k + 1}`), shard)
  execFileSync('python3', [join(import.meta.dirname, 'by-hand.py'), data, 2, shardBytes(manifest.volumes), ...lost].map(String), { cwd: folder })
  for (const number of lost) t.ok(readFileSync(join(folder, `rebuilt-${number}`)).subarray(0, shards[number - 1]!.length).equals(shards[number - 1]!), `shard ${number}`)
})
