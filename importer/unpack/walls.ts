import { findProgram } from '../../appliance/core/find-program.ts'

/** What every sandbox is made of, and the Debian package that brings it: prlimit(1) starts bubblewrap, and bubblewrap what is confined. */
const WALLS = { prlimit: 'util-linux', bwrap: 'bubblewrap' } as const

/** Before a sandbox is started: whatever would be inside is never started without it. @throws DD-CORE-008 naming the package */
export async function checkWalls(): Promise<void> {
  for (const [program, debianPackage] of Object.entries(WALLS)) await findProgram(program, debianPackage)
}
