import { join } from 'node:path'
import { startLocalRegistry } from '../local-registry.ts'
import type { World } from '../world.ts'

/** Everything that goes through the air gap, from the registries that this machine is set up for. */
export async function collectContent(world: World): Promise<void> {
  const registry = await startLocalRegistry({ aptFolder: join(world.workspace, 'cache/apt-amd64'), signal: AbortSignal.timeout(300_000) })
  try {
    world.show.line(`a docker-registry on loopback holds ${registry.reference}, ${registry.digest}`)
    world.facts['image digest at the registry'] = registry.digest
    await world.drydock('ana', ['bundle', 'collect', join(world.checkout, 'test/demo/collection.yaml'), '--workspace', world.workspace], { env: { DEMO_IMAGE: registry.reference } })
  } finally {
    await registry.stop()
  }
  // Other tests bake from this workspace as the appliance's user.
  await world.program('chmod', ['-R', 'a+rX', world.workspace], { quiet: true })
}
