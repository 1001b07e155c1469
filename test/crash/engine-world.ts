import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Receipt } from '../../bundles/format/receipt.ts'
import { digestOf } from '../../appliance/core/digest.ts'
import { filesFormat } from '../../mirror/files/format.ts'
import { npmFormat } from '../../mirror/npm/format.ts'
import { pypiFormat } from '../../mirror/pypi/format.ts'
import { person, trustOf } from '../support/bundles.ts'
import { openSite } from '../support/import-site.ts'
import { makeBundles } from './bundles.ts'
import { launch } from './launch.ts'
import type { Ending, World } from './world.ts'

/** The importing half of an appliance: it starts in a third of the time of a whole one. */
export async function engineWorld(options: { data?: string } = {}): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-kills-'))
  const data = options.data ?? join(folder, 'site')
  const [ana, jon, appliance] = await Promise.all([person('Ana'), person('Jon'), person('appliance')])
  const trust = trustOf([ana, jon])
  const bundles = await makeBundles(join(folder, 'bundles'), [ana.signer, jon.signer])
  mkdirSync(data, { recursive: true })
  writeFileSync(join(data, 'people.json'), JSON.stringify({ trust, secret: appliance.secret, publicKey: appliance.public }))
  const site = await openSite({ teardown: () => undefined }, { trust, folder: data, appliance, formats: [npmFormat({ publicUrl: 'https://drydock.example:8443' }), pypiFormat(), filesFormat()] })
  const first = await site.importBundle(bundles.first)
  if (first.state !== 'imported') throw new Error(`the first bundle is ${first.state}: ${first.error?.message}`)
  const { receipt } = site.imports.receipt('1')
  const cases = await bundles.second({ base: digestOf(receipt), inventory: new Set((JSON.parse(receipt) as Receipt).inventory) })
  await site.close()
  const base = join(folder, 'base')
  cpSync(data, base, { recursive: true })
  return {
    name: 'engine', cases, data, marks: join(data, 'marks'),
    reset() {
      for (const part of ['blobs', 'db', 'marks', 'staging']) {
        rmSync(join(data, part), { recursive: true, force: true, maxRetries: 5 })
        cpSync(join(base, part), join(data, part), { recursive: true })
      }
    },
    async run({ subject, upload }, kill) {
      const args = [join(import.meta.dirname, 'engine-process.ts'), data, upload ? 'upload' : 'path', ...subject.volumes]
      const { ready, ended } = launch(process.execPath, args, { ready: /^ready$/, env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'cache') }, ...(kill === undefined ? {} : { kill }) })
      const wasReady = (await ready) !== undefined
      const { signal, out, err } = await ended
      const killed = signal === 'SIGKILL'
      const last = out.trim().split('\n').at(-1) ?? ''
      const told = killed || !last.startsWith('{') ? undefined : (JSON.parse(last) as Ending)
      return { killed, wasReady, ending: told?.state === undefined ? undefined : told, said: `${out}${err}` }
    },
    close: async () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }),
  }
}
