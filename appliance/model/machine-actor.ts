/** Who submits what came by itself: a file in a watch folder, a bundle on a medium. No person's name has a colon. */
export const MACHINE_ACTORS = { watch: 'drydock:watch', media: 'drydock:media' } as const
const MACHINE = /^drydock:/

/** Nobody answers for it yet. */
export function isMachine(actor: string): boolean {
  return MACHINE.test(actor)
}
