/**
 * Brings one bundle as far as its scan, by a scanner that sleeps. The test kills this process in the middle of it.
 *
 *     node scan-process.ts FOLDER BUNDLE SECONDS
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Trust } from '../../../bundles/format/trust.ts'
import { openSite } from '../../support/import-site.ts'

const [folder = '', bundle = '', seconds = ''] = process.argv.slice(2)
const trust = JSON.parse(readFileSync(join(folder, 'trust.json'), 'utf8')) as Trust
const site = await openSite({ teardown: () => undefined }, { trust, folder, scan: { scanners: [{ name: 'slow', command: ['/usr/bin/sleep', seconds] }] } })
const { operation, record } = await site.submit(bundle)
await site.imports.proceed(record.id, 'olga')
await site.operations.settled(operation.id)
