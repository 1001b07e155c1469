import { constants } from 'node:fs'
import { open, readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { checkShape } from '../../bundles/format/check.ts'
import { writeDurably } from '../core/durable-file.ts'
import { DrydockError, isErrno } from '../core/error.ts'

/** The newest layout of the data folder that this build writes and reads. */
export const DATA_FORMAT = 1

/** Where everything lies (design/appliance.md, "Data folder"). Nothing else joins these names. */
export type DataPaths = ReturnType<typeof dataPaths>

export function dataPaths(root: string) {
  return {
    root,
    format: join(root, 'format.json'),
    state: join(root, 'state'),
    desired: join(root, 'state', 'desired.json'),
    lock: join(root, 'state', 'lock'),
    db: join(root, 'db'),
    history: join(root, 'db', 'history.sqlite'),
    catalogue: join(root, 'db', 'catalogue.sqlite'),
    blobs: join(root, 'blobs'),
    staging: join(root, 'staging'),
    bundles: join(root, 'bundles'),
    images: join(root, 'images'),
    vms: join(root, 'vms'),
    pki: join(root, 'pki'),
    secrets: join(root, 'secrets'),
    reserve: join(root, 'reserve'),
  }
}

const Format = Type.Object({ format: Type.Integer({ minimum: 1 }), applianceId: Type.String({ pattern: '^[0-9a-f-]{36}$' }), createdAt: Type.String() })
export type Format = Type.Static<typeof Format>

/** Written last by `init`: until then the folder is not an appliance. */
export async function writeFormat(paths: DataPaths, format: Omit<Format, 'format'>): Promise<void> {
  await writeDurably(paths.format, `${JSON.stringify({ format: DATA_FORMAT, ...format })}\n`)
}

/**
 * @throws DD-STATE-001 when this is no data folder, DD-STATE-002 when a newer Drydock wrote it.
 */
export async function readFormat(paths: DataPaths): Promise<Format> {
  const text = await readPlainFile(paths.format)
  if (text === undefined) {
    const found = (await readdir(paths.root).catch(() => [])).length === 0 ? 'an empty one' : 'none (no format.json)'
    throw new DrydockError('DD-STATE-001', `expected an initialised data folder at ${paths.root}, found ${found}`, `run: drydock init --data ${paths.root}`)
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new DrydockError('DD-STATE-001', `expected format.json to be JSON, found something else in ${paths.root}`, 'restore the data folder from a backup', { cause })
  }
  const format = checkShape(Format, value, 'format.json')
  if (format.format > DATA_FORMAT) {
    throw new DrydockError(
      'DD-STATE-002',
      `expected a data folder of format ${DATA_FORMAT} or older, found format ${format.format} in ${paths.root}`,
      'start the newer Drydock that wrote it, or restore a backup from before the upgrade; nothing was changed',
    )
  }
  return format
}

/** @returns undefined when there is no such file. A symlink or a folder in its place is not followed and counts as damage. */
export async function readPlainFile(path: string): Promise<string | undefined> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      return (await handle.stat()).isFile() ? await handle.readFile('utf8') : ''
    } finally {
      await handle.close()
    }
  } catch (failure) {
    if (isErrno(failure, 'ENOENT')) return undefined
    if (isErrno(failure, 'ELOOP')) return ''
    throw failure
  }
}

/**
 * Temporary names of the durable writer that a kill left behind; a folder that is gone is for its owner to miss.
 * @param age milliseconds that a name must have stood, where somebody else may be writing at this moment
 */
export async function clearTemporary(folder: string, age = 0): Promise<void> {
  const names = await readdir(folder).catch((failure: unknown) => {
    if (isErrno(failure, 'ENOENT')) return []
    throw failure
  })
  const before = Date.now() - age
  for (const name of names.filter(each => /^\.[0-9a-f]{24}\.tmp$/.test(each))) if (age === 0 || (await stat(join(folder, name))).mtimeMs < before) await unlink(join(folder, name))
}
