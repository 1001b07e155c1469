import type { World } from '../world.ts'

/** The preflight stops the import; a second person approves; the receipt is printed. */
export async function importBundle(world: World): Promise<void> {
  const bundle = world.facts['bundle'] ?? ''
  world.show.line('without --yes the import stops at the preflight:')
  await world.drydock('ana', ['import', 'run', bundle], { expect: 4 })
  await world.drydock('ana', ['import', 'run', bundle, '--yes'], { expect: 4 })
  await world.drydock('ana', ['import', 'approve', '1'], { expect: 3 })
  world.show.line('the one who brought it cannot approve it; ben can:')
  await world.drydock('ben', ['import', 'approve', '1'])
  await world.drydock('ana', ['receipt', 'list'])
  await world.drydock('ana', ['generation', 'list'])
}
