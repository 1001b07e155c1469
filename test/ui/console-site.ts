import { execFileSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Appliance } from '../../appliance/main/inside/start.ts'
import { ADMIN_TOKEN, SimCiProcess } from '../appliance/ci/sim/sim-ci-process.ts'
import { initSite, planSite, startSite, type Site } from '../appliance/main/site.ts'

export const checkout = join(import.meta.dirname, '../..')
export const CONSOLE = join(checkout, 'ui/dist')
/** Of everybody but the first admin, who begins with the one-time password. */
export const PASSWORD = 'a password of one’s own'

export type ConsoleSite = { site: Site; ci: SimCiProcess; appliance: Appliance; oneTimePassword: string; close(): Promise<void> }

/** An appliance that serves the console, with an operator `ana` and an approver `paul`, a simulated hypervisor and a CI server. */
export async function openConsoleSite(scan?: Partial<Site['config']['scan']>): Promise<ConsoleSite> {
  const stack = new AsyncDisposableStack()
  try {
    const folder = mkdtempSync(join(tmpdir(), 'drydock-console-'))
    stack.defer(() => rmSync(folder, { recursive: true, force: true }))
    const ci = new SimCiProcess(join(folder, 'ci'))
    await ci.start()
    stack.defer(async () => await ci.kill('SIGTERM'))
    const site = await planSite(join(folder, 'site'))
    Object.assign(site.config.scan, scan)
    const { admin } = await initSite(site)
    const appliance = await startSite(site.config, { consoleFolder: CONSOLE })
    stack.defer(async () => await appliance.close())
    await fill(appliance, ci)
    return { site, ci, appliance, oneTimePassword: admin.oneTimePassword, close: async () => await stack.disposeAsync() }
  } catch (failure) {
    await stack.disposeAsync()
    throw failure
  }
}

async function fill({ services: { identity, connections } }: Appliance, ci: SimCiProcess): Promise<void> {
  for (const [name, role] of [['ana', 'operator'], ['paul', 'approver']] as const) {
    const added = await identity.addUser({ name, role }, 'admin')
    await identity.changePassword(name, added.oneTimePassword, PASSWORD, '')
  }
  await connections.addCi({ name: 'ci', kind: 'sim', url: ci.url, token: ADMIN_TOKEN, options: { quietWindow: 60 } })
  // Slow enough that a person, or a test, sees every phase.
  await connections.addHypervisor({ name: 'sim', kind: 'sim', options: { heartbeatMilliseconds: 80, bootMilliseconds: [600, 900], verifyMilliseconds: [200, 400], createMilliseconds: [20, 60], destroyMilliseconds: [20, 60] } })
}

/** `npm test` builds it first; a test that is run by itself builds it when a source is newer. */
export function buildConsole(): void {
  const page = join(CONSOLE, 'index.html')
  const sources = globSync(['ui/app/**/*.*', 'ui/client/*.ts', 'appliance/api/**/*.ts', 'appliance/model/*.ts'], { cwd: checkout }).map(file => statSync(join(checkout, file)).mtimeMs)
  if (existsSync(page) && statSync(page).mtimeMs > Math.max(...sources)) return
  const run = (command: string, ...words: string[]): void => void execFileSync(command, words, { cwd: checkout, stdio: ['ignore', 'ignore', 'inherit'] })
  run(process.execPath, 'ui/client/generate.ts')
  run(process.execPath, 'node_modules/vite/bin/vite.js', 'build', '--logLevel', 'warn', 'ui/app')
}

/** What a browser loads before the first page is there, as index.html names it. */
export function firstLoad(): string[] {
  return [...readFileSync(join(CONSOLE, 'index.html'), 'utf8').matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(match => join(CONSOLE, match[1] ?? ''))
}
