import { isIP } from 'node:net'
import type { Hole as QemuHole } from '../../drivers/qemu/command-line.ts'
import type { Address } from './config.ts'

/** The guest's two addresses of us in QEMU's user network; nothing else is reachable (`restrict=on`). */
export const GUEST_SEES = { appliance: '10.0.2.100', ci: '10.0.2.101' } as const

export type Hole = QemuHole

/** Where this machine's own agent server is reached by a helper process on the machine itself. */
export function agentHole({ host, port }: Address): Hole {
  return { guest: { address: GUEST_SEES.appliance, port }, host: { address: host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host, port } }
}

/** A CI server as the guest reaches it: same port, our address for it; `url` is what its CI agent is told. */
export function ciHole(url: string): Hole & { url: string } {
  const { hostname, port, protocol } = new URL(url)
  const number = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
  return { guest: { address: GUEST_SEES.ci, port: number }, host: { address: hostname.replace(/^\[|\]$/g, ''), port: number }, url: `${protocol}//${GUEST_SEES.ci}:${number}` }
}

/** Lines for the guest's /etc/hosts, so that a CI server keeps its name there. */
export function guestHosts(ciUrls: readonly string[]): Record<string, string> {
  return Object.fromEntries(ciUrls.map(url => new URL(url).hostname).filter(host => isIP(host.replace(/^\[|\]$/g, '')) === 0).map(host => [host, GUEST_SEES.ci]))
}
