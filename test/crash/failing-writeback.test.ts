import { join } from 'node:path'
import { runInOwnMounts } from './own-mounts.ts'

runInOwnMounts(join(import.meta.dirname, 'failing-writeback.ts'))
