import { join } from 'node:path'
import { until, type World } from '../world.ts'
import { ADMIN } from './1-appliance.ts'
import { machines, manifestOf, nodesNow, poolNow, proveNodes } from './pool-watch.ts'

/** A pool from a file: resolved, locked, baked, booted, enrolled, registered, proven by a job on each node. */
export async function createPool(world: World): Promise<void> {
  await world.drydock(ADMIN, ['hypervisor', 'add', 'local', '--kind', 'qemu'])
  await world.drydock(ADMIN, ['ci', 'add', 'ci-demo', '--kind', 'sim', '--url', world.ciUrl, '--token-file', join(world.ciFolder, 'token'), '--option', `nodeUrl=http://10.0.2.101:${new URL(world.ciUrl).port}`])
  await world.drydock('ana', ['pool', 'create', join(world.checkout, 'test/demo/pool.yaml'), '-m', 'the first pool'])
  await world.drydock('ana', ['pool', 'apply', 'linux-demo'])
  const pool = await until('the pool to be healthy', 30, async () => {
    const now = await poolNow(world)
    return now.state === 'healthy' ? now : undefined
  })
  const image = manifestOf(world, pool.image ?? '')
  world.facts['image 1'] = image.digest
  world.show.fact('image of revision 1', image.digest)
  for (const layer of image.layers) world.show.line(`layer ${layer.name.padEnd(14)} ${layer.digest} ${layer.size} bytes`)
  await proveNodes(world, '1.25.2', image.layers.map(layer => layer.verityRoot))
  if (machines(world).length !== 2) throw new Error(`expected 2 QEMU processes, found ${machines(world).length}`)
  const boots = (await nodesNow(world)).map(node => node.bootSeconds?.toFixed(1) ?? '?')
  world.show.fact('boot to first heartbeat', `${boots.join(' s, ')} s`)
}
