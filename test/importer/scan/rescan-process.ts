/**
 * Takes files in while nobody knows them, then definitions that do, and looks through the store; a second scanner sleeps when it meets the slow file. The test
 * kills this process then.
 *
 *     node rescan-process.ts FOLDER SECONDS BUNDLE…
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Trust } from '../../../bundles/format/trust.ts'
import { openSite } from '../../support/import-site.ts'

const [folder = '', seconds = '', ...bundles] = process.argv.slice(2)
const trust = JSON.parse(readFileSync(join(folder, 'trust.json'), 'utf8')) as Trust
// Never while an import is scanned, which shows it several files at once.
const slow = { name: 'acme', command: ['/usr/bin/bash', '-c', `if [ -n "$(ls /scan/files | sed -n 2p)" ]; then exit 0; fi; if grep -qr slow /scan/files; then exec /usr/bin/sleep ${seconds}; fi`] }
const site = await openSite({ teardown: () => undefined }, { trust, folder, scan: { clamav: 'auto', scanners: [slow] }, rescanBatch: { files: 1, bytes: 1 } })
for (const bundle of bundles) await site.importBundle(bundle)
await site.rescans.whenNew()
for (const { id } of site.operations.list({ state: 'running' })) await site.operations.settled(id)
