import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { DrydockError } from '../../../../appliance/core/error.ts'
import { collect, type Collected } from '../../../../bundles/collect/collect.ts'

/** Two in the morning of a day long gone: what a lock must not depend on. */
const CLOCK = { now: () => new Date('2001-02-03T02:00:00Z') }

export type Wish = Record<string, unknown>

/** Writes a collection file into the folder and collects it into FOLDER/workspace (or another). */
export async function runCollect(folder: string, wish: Wish, options: { workspace?: string; environment?: NodeJS.ProcessEnv; signal?: AbortSignal } = {}): Promise<Collected> {
  await mkdir(folder, { recursive: true })
  const collection = join(folder, 'collection.yaml')
  await writeFile(collection, stringify({ apiVersion: 'drydock/v1', kind: 'Collection', name: 'test', ...wish }))
  return await collect({
    collection,
    workspace: options.workspace ?? join(folder, 'workspace'),
    environment: { ...process.env, SOURCE_DATE_EPOCH: undefined, ...options.environment },
    clock: CLOCK,
    signal: options.signal ?? new AbortController().signal,
    progress: () => undefined,
  })
}

/** The error that a collect ends with. */
export async function collectFault(...input: Parameters<typeof runCollect>): Promise<DrydockError> {
  try {
    await runCollect(...input)
  } catch (failure) {
    if (failure instanceof DrydockError) return failure
    throw failure
  }
  throw new TypeError('expected the collect to fail, found that it succeeded')
}
