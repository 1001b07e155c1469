import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { processesWith, until, type World } from '../world.ts'

export type NodeRow = { name: string; phase: string; revision: number; image: string; bootId: string | null; bootSeconds: number | null }
export type PoolRow = { name: string; state: string; head: number; target: number | null; specDigest: string | null; image: string | null }

export async function poolNow(world: World): Promise<PoolRow> {
  return JSON.parse(await world.text('/api/v1/pools/linux-demo')) as PoolRow
}

export async function nodesNow(world: World): Promise<NodeRow[]> {
  return JSON.parse(await world.text('/api/v1/nodes?pool=linux-demo')) as NodeRow[]
}

/** QEMU processes of the appliance, and the folders of their VMs. */
export function machines(world: World): { pid: number; node: string }[] {
  return processesWith('qemu-system', join(world.data, 'images')).flatMap(({ pid, line }) => {
    const node = /guest=([a-z]+-\d+)/.exec(line)?.[1]
    return node === undefined ? [] : [{ pid, node }]
  })
}

export function vmFolders(world: World): string[] {
  return readdirSync(join(world.data, 'vms')).filter(name => !name.startsWith('.'))
}

/** One job on each node: what only a real machine with this image can answer. The CI server makes the nonce. */
export async function proveNodes(world: World, numpy: string, layers: readonly string[]): Promise<void> {
  for (const node of await nodesNow(world)) {
    const command = `echo nonce={nonce}; python3 -c 'import numpy; print("numpy=" + numpy.__version__)'; cmake --version | head -1; echo layers=$DRYDOCK_LAYERS; echo boot=$(cat /proc/sys/kernel/random/boot_id)`
    const { id } = await world.ci<{ id: string }>('POST', '/jobs', { name: `prove-${node.name}`, command, node: node.name })
    const job = await until(`job ${id} on ${node.name}`, 120, async () => {
      const found = await world.ci<{ status: number | null; output: string; nonce: string }>('GET', `/jobs/${id}`)
      return found.status === null ? undefined : found
    })
    for (const line of job.output.trim().split('\n')) world.show.line(`${node.name}: ${line.length > 110 ? `${line.slice(0, 107)}…` : line}`)
    const said = Object.fromEntries(job.output.split('\n').map(line => line.split('=', 2) as [string, string]))
    const faults = [
      job.status === 0 ? '' : `status ${job.status}`,
      said['nonce'] === job.nonce ? '' : 'another nonce',
      said['numpy'] === numpy ? '' : `numpy ${said['numpy']}`,
      said['layers'] === layers.join(',') ? '' : 'other layers than the image has',
      said['boot'] === node.bootId ? '' : 'another boot id than the heartbeat told',
    ].filter(Boolean)
    if (faults.length > 0) throw new Error(`expected ${node.name} to run the image as declared, found ${faults.join(', ')}\n${job.output}`)
  }
  for (const { pid, node } of machines(world)) world.show.line(`process ${pid} is the QEMU of ${node}`)
}

export function manifestOf(world: World, image: string): { digest: string; layers: { name: string; digest: string; verityRoot: string; size: number }[] } {
  return JSON.parse(readFileSync(join(world.data, 'images', image.replace('sha256:', ''), 'manifest.json'), 'utf8')) as ReturnType<typeof manifestOf>
}

