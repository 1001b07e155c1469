import { until, type World } from '../world.ts'
import { machines, manifestOf, nodesNow, poolNow, proveNodes, vmFolders } from './pool-watch.ts'

/** One role changes; the pool turns over, drained first; what did not change keeps its digests; nothing of the old nodes is left. */
export async function changePool(world: World): Promise<void> {
  const before = await nodesNow(world)
  const oldMachines = machines(world)
  await world.drydock('ana', ['pool', 'update', 'linux-demo', '--roles=python-3.11,numpy-1.26.0,cmake', '-m', 'numpy 1.26 for the new kernels'])
  await world.drydock('ana', ['pool', 'diff', 'linux-demo'])
  await world.drydock('ana', ['pool', 'apply', 'linux-demo'])
  const pool = await until('the pool to be healthy', 30, async () => {
    const now = await poolNow(world)
    return now.state === 'healthy' && now.target === 2 ? now : undefined
  })
  const [first, second] = [manifestOf(world, world.facts['image 1'] ?? ''), manifestOf(world, pool.image ?? '')]
  world.facts['image 2'] = second.digest
  world.show.fact('image of revision 2', second.digest)
  for (const name of ['base', 'cmake']) {
    const [was, is] = [first, second].map(image => image.layers.find(layer => layer.name.startsWith(name)))
    if (was === undefined || is === undefined || was.digest !== is.digest) throw new Error(`expected the layer ${name} to keep its digest, found ${was?.digest} → ${is?.digest}`)
    world.show.line(`layer ${name} kept ${is.digest}`)
  }
  await proveNodes(world, '1.26.0', second.layers.map(layer => layer.verityRoot))
  assertGone(world, before.map(node => node.name), oldMachines.map(one => one.pid))
}

/** No process and no file of these nodes is left; the VM that is not ours still runs. */
export function assertGone(world: World, nodes: readonly string[], pids: readonly number[]): void {
  const left = [...machines(world).filter(one => pids.includes(one.pid)).map(one => `process ${one.pid}`), ...vmFolders(world).filter(name => nodes.includes(name)).map(name => `vms/${name}`)]
  if (left.length > 0) throw new Error(`expected nothing of ${nodes.join(', ')} to be left, found ${left.join(', ')}`)
  if (world.foreign?.exitCode !== null) throw new Error('expected the VM that is not ours to run on, found it ended')
  world.show.line(`nothing is left of ${nodes.join(', ')}; the VM that is not ours (process ${world.foreign.pid}) runs on`)
}
