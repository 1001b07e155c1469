/**
 * `drydock up` as it is, but it stands still at every instant of its journal until its parent says to go on.
 *
 *     node up-process.ts DATA MARKS      over IPC: `Said` of each instant, any answer
 */
import { once } from 'node:events'
import { loadConfig } from '../../appliance/main/inside/config.ts'
import { processLog } from '../../appliance/main/inside/log.ts'
import { startAppliance } from '../../appliance/main/inside/start.ts'

const [dataDir = '', marksDir = ''] = process.argv.slice(2)
const appliance = await startAppliance(await loadConfig({ dataDir, marksDir }, {}), processLog('error'), {
  privateNpm: false,
  async onJournal({ kind, name, phase }, when) {
    if (kind !== 'import' || !process.connected) return
    process.send?.({ text: `${when} ${phase} of ${name}` })
    await once(process, 'message')
  },
})
process.once('SIGTERM', () => void appliance.close().then(() => process.exit(0)))
process.stdout.write('console\n')
