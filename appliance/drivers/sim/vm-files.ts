import { readdir, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { checkShape } from '../../../bundles/format/check.ts'
import { Verify } from '../../../bundles/format/role.ts'
import { ensureFolder, syncFolder, writeDurably } from '../../core/durable-file.ts'
import { isErrno } from '../../core/error.ts'
import { VmRecord } from '../vm-record.ts'
import { ImageFault } from './settings.ts'

/** A simulated VM: all that is needed for its guest to go on after the appliance was killed, as a real one would. */
export const SimVm = Type.Object(
  {
    format: Type.Literal('drydock-sim-vm/1'),
    record: VmRecord,
    state: Type.Union([Type.Literal('running'), Type.Literal('stopped')]),
    /** Milliseconds since 1970. */
    startedAt: Type.Integer(),
    /** Its config drive. */
    nodeJson: Type.String(),
    /** What its disk holds. */
    disk: Type.Object({ layers: Type.Array(Type.String()), verify: Type.Array(Type.Object({ role: Type.String(), ...Verify.properties })), environment: Type.Record(Type.String(), Type.String()), fault: Type.Union([ImageFault, Type.Null()]) }),
  },
  { additionalProperties: false },
)
export type SimVm = Type.Static<typeof SimVm>

/**
 * The simulated hypervisor's own memory: one durable file a VM, `<folder>/<name>.json`. It belongs to no process, so that a killed
 * appliance finds its VMs as they were. What somebody else put there is `foreign`. Files are read once; only this class changes ours.
 */
export class VmFiles {
  readonly #folder: string
  readonly #known = new Map<string, SimVm | 'foreign'>()

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async open(folder: string): Promise<VmFiles> {
    await ensureFolder(folder, 0o700)
    return new VmFiles(folder)
  }

  async all(): Promise<SimVm[]> {
    const names = (await readdir(this.#folder)).filter(file => /^[a-z0-9].*\.json$/.test(file)).map(file => file.slice(0, -'.json'.length))
    const there = new Set(names)
    for (const name of this.#known.keys()) if (!there.has(name)) this.#known.delete(name)
    const vms = await Promise.all(names.map(async name => await this.get(name)))
    return vms.filter(vm => typeof vm !== 'string')
  }

  async get(name: string): Promise<SimVm | 'foreign' | 'absent'> {
    try {
      const known = this.#known.get(name)
      if (known !== undefined) return known
      const found: unknown = JSON.parse(await readFile(this.#path(name), 'utf8'))
      const ours = typeof found === 'object' && found !== null && 'format' in found && found.format === 'drydock-sim-vm/1'
      const vm = ours ? checkShape(SimVm, found, this.#path(name)) : 'foreign'
      this.#known.set(name, vm)
      return vm
    } catch (failure) {
      if (isErrno(failure, 'ENOENT')) return 'absent'
      throw failure
    }
  }

  async put(vm: SimVm): Promise<void> {
    const { name } = vm.record.intent
    await writeDurably(this.#path(name), `${JSON.stringify(vm, null, 2)}\n`)
    this.#known.set(name, vm)
  }

  async remove(name: string): Promise<void> {
    this.#known.delete(name)
    await unlink(this.#path(name)).catch((failure: unknown) => {
      if (!isErrno(failure, 'ENOENT')) throw failure
    })
    await syncFolder(this.#folder)
  }

  #path(name: string): string {
    return join(this.#folder, `${name}.json`)
  }
}

/** For tests and trials: a VM that is none of Drydock's. */
export async function plantForeignVm(folder: string, name: string): Promise<void> {
  await ensureFolder(folder, 0o700)
  await writeDurably(join(folder, `${name}.json`), `${JSON.stringify({ name, owner: 'somebody else' })}\n`)
}
