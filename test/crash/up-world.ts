import type { World } from './world.ts'
export async function upWorld(): Promise<World> { throw new Error('later') }
