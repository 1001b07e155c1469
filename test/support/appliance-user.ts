import { spawnSync } from 'node:child_process'
import { appendFileSync, readFileSync } from 'node:fs'

export const APPLIANCE_USER = 'drydock'

export type ApplianceUser = { uid: number; gid: number; home: string }

/**
 * The appliance's own system user, made when it is missing (root only). Its range of subordinate ids is what lets it bake images in a user
 * namespace. When we are not root, the appliance runs as whoever we are.
 */
export function ensureApplianceUser(): ApplianceUser {
  if (process.getuid?.() !== 0) return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, home: process.env['HOME'] ?? '/' }
  if (spawnSync('id', ['-u', APPLIANCE_USER]).status !== 0) {
    const made = spawnSync('useradd', ['--system', '--create-home', '--home-dir', '/var/lib/drydock', '--shell', '/usr/sbin/nologin', APPLIANCE_USER], { encoding: 'utf8' })
    if (made.status !== 0) throw new Error(`useradd ${APPLIANCE_USER} failed: ${made.stderr}`)
  }
  for (const file of ['/etc/subuid', '/etc/subgid']) ensureSubordinateRange(file)
  const [uid, gid] = ['-u', '-g'].map(flag => Number(spawnSync('id', [flag, APPLIANCE_USER], { encoding: 'utf8' }).stdout))
  return { uid: uid!, gid: gid!, home: '/var/lib/drydock' }
}

function ensureSubordinateRange(file: string): void {
  let text = ''
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    // A machine without the file gets one.
  }
  const rows = text.split('\n').filter(Boolean).map(line => line.split(':'))
  if (rows.some(([name]) => name === APPLIANCE_USER)) return
  const free = Math.max(100_000, ...rows.map(([, first, count]) => Number(first) + Number(count)))
  appendFileSync(file, `${APPLIANCE_USER}:${free}:65536\n`)
}
