import { Low } from 'lowdb'
import { isDeepStrictEqual } from 'node:util'
import { checkShape } from '../../bundles/format/check.ts'
import { DrydockError } from '../core/error.ts'
import { Desired, type DesiredStore } from '../model/desired.ts'
import { desiredAdapter, type DesiredAdapterOptions } from './desired-adapter.ts'

/** Opens what is there. @throws DD-STATE-004, DD-STATE-005 */
export async function openDesired(options: DesiredAdapterOptions): Promise<DesiredStore & { readonly fault: string | null; close(): Promise<void> }> {
  const adapter = desiredAdapter(options)
  return store(adapter, checkDesired(await adapter.read(), 'DD-STATE-005'))
}

/** For `init` alone: the first state of an appliance that is not one yet. */
export async function createDesired(options: DesiredAdapterOptions, first: Desired): Promise<void> {
  await desiredAdapter(options).write(checkDesired(first, 'DD-STATE-007'))
}

function store(adapter: ReturnType<typeof desiredAdapter>, first: Desired): DesiredStore & { readonly fault: string | null; close(): Promise<void> } {
  const low = new Low<unknown>(adapter, first)
  let current = deepFreeze(first)
  let queue: Promise<unknown> = Promise.resolve()
  const { fault } = adapter

  async function change(apply: (draft: Desired) => void): Promise<Desired> {
    const draft = structuredClone(current)
    apply(draft)
    if (isDeepStrictEqual(draft, current)) return current
    low.data = checkDesired(draft, 'DD-STATE-007')
    await low.write()
    current = deepFreeze(draft)
    return current
  }

  return {
    fault,
    get serial() {
      return adapter.serial
    },
    read: () => current,
    update(apply) {
      const result = queue.then(() => change(apply))
      queue = result.catch(() => undefined)
      return result
    },
    async close() {
      await queue
    },
  }
}

function checkDesired(value: unknown, code: 'DD-STATE-005' | 'DD-STATE-007'): Desired {
  try {
    return checkShape(Desired, value, 'desired state')
  } catch (cause) {
    const detail = cause instanceof DrydockError ? cause.message : 'another shape'
    throw new DrydockError(code, `expected the desired state to fit its schema, found: ${detail}`, 'report this; nothing was written', { cause })
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    Object.values(value).forEach(deepFreeze)
  }
  return value
}
