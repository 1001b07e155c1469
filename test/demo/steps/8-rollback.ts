import { until, type World } from '../world.ts'
import { assertGone } from './7-change.ts'
import { machines, manifestOf, nodesNow, poolNow, proveNodes } from './pool-watch.ts'

/** Back to the first image, which is still here and not baked again. */
export async function rollBack(world: World): Promise<void> {
  const before = await nodesNow(world)
  const oldMachines = machines(world)
  await world.drydock('ana', ['pool', 'rollback', 'linux-demo', '--to', '1'])
  const pool = await until('the pool to be healthy', 30, async () => {
    const now = await poolNow(world)
    return now.state === 'healthy' && now.target === 3 ? now : undefined
  })
  if (pool.image !== world.facts['image 1']) throw new Error(`expected the first image ${world.facts['image 1']}, found ${pool.image}`)
  world.facts['image 3'] = pool.image
  const events = JSON.parse(await world.text('/api/v1/events?after=0&subject=pool:linux-demo&limit=1000')) as { type: string }[]
  const bakes = events.filter(event => event.type === 'build.image').length
  if (bakes !== 2) throw new Error(`expected 2 bakes in all, found ${bakes}`)
  world.show.fact('image of revision 3', `${pool.image} (equal to revision 1, not baked again)`)
  await proveNodes(world, '1.25.2', manifestOf(world, pool.image).layers.map(layer => layer.verityRoot))
  assertGone(world, before.map(node => node.name), oldMachines.map(one => one.pid))
  const history = await world.drydock('ana', ['pool', 'history', 'linux-demo'])
  const revisions = (JSON.parse(await world.text('/api/v1/pools/linux-demo/history')) as unknown[]).length
  if (revisions !== 3) throw new Error(`expected three revisions, found ${revisions}\n${history.stdout}`)
}
