import type { Limiter } from './fetch/limiter.ts'
import type { Meter } from './progress.ts'
import type { Workspace } from './workspace.ts'

/** What every kind needs while it collects. */
export type Collecting = { workspace: Workspace; meter: Meter; download: Limiter; signal: AbortSignal; environment: NodeJS.ProcessEnv }
