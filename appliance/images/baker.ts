import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { digestOf, type Digest } from '../core/digest.ts'

/** Raised whenever the same lock would be baked to other bytes; part of every lock. */
export const BAKER = 1

/** What goes on the kernel command line before the layers' root hashes. Measured: without them a boot under TCG takes 0.2 s longer. */
export const KERNEL_ARGUMENTS = 'console=ttyS0 quiet panic=5 net.ifnames=0 tsc=reliable no_timer_check random.trust_cpu=on cryptomgr.notests'
/** Linux on x86 takes no longer command line (COMMAND_LINE_SIZE), with its final NUL. */
export const COMMAND_LINE_BYTES = 2048

/** What the initrd loads, in this order, each with what it depends on: disk, verity, layers, config drive, network. */
export const INITRD_MODULES = ['virtio_pci', 'virtio_blk', 'sha256_ssse3', 'dm-verity', 'overlay', 'squashfs', 'isofs', 'virtio_net'] as const

export const AGENT_FOLDER = fileURLToPath(new URL('../agent/', import.meta.url))
const STEPS_FOLDER = fileURLToPath(new URL('./steps/', import.meta.url))
/** Parts of the agent folder that go into images: the tree for the last layer, units to mask, the initrd's script. */
const AGENT_PARTS = ['root', 'masked-units', 'initrd'] as const

/** SHA-256 over the agent's scripts: names, whether they are executable, and contents. */
export async function agentDigest(): Promise<Digest> {
  const files: unknown[] = []
  for (const part of AGENT_PARTS) files.push(...(await describe(AGENT_FOLDER, part)))
  return digestOf(canonicalJson(files))
}

/** SHA-256 over the steps' scripts, so that a cached layer is never taken for one that today's steps would make. */
export async function stepsDigest(): Promise<Digest> {
  return digestOf(canonicalJson(await describe(STEPS_FOLDER, '.')))
}

async function describe(root: string, path: string): Promise<{ path: string; executable: boolean; digest: Digest }[]> {
  const full = join(root, path)
  const stats = await stat(full)
  if (!stats.isDirectory()) return [{ path, executable: (stats.mode & 0o100) !== 0, digest: digestOf(await readFile(full)) }]
  const names = (await readdir(full)).sort()
  return (await Promise.all(names.map(name => describe(root, join(path, name))))).flat()
}
