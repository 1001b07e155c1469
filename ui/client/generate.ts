import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/**
 * `node ui/client/generate.ts` writes `generated/paths.ts`. The document comes from the server as it is built in this checkout, which only
 * appliance/main may do, so it is a process of its own: this folder imports nothing of the appliance.
 */
execFileSync(process.execPath, [join(import.meta.dirname, '../../appliance/main/generate-client.ts')], { stdio: 'inherit' })
