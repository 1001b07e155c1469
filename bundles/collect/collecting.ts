import type { Item } from '../format/item.ts'
import type { Limiter } from './fetch/limiter.ts'
import type { Meter } from './progress.ts'
import type { Workspace } from './workspace.ts'

/** What every kind needs while it collects. */
export type Collecting = {
  workspace: Workspace
  meter: Meter
  download: Limiter
  signal: AbortSignal
  environment: NodeJS.ProcessEnv
  /** The item of this key (see itemKey) in the workspace's former lock: what was once collected may not change in silence. */
  pinned: (key: string) => Item | undefined
}
