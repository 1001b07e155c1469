import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeDurably } from '../../appliance/core/durable-file.ts'
import { DrydockError, isErrno } from '../../appliance/core/error.ts'
import { checkShape } from '../format/check.ts'
import { CONTROL_KINDS } from '../format/control.ts'
import { BLOB_FOLDER, CollectionLock, LOCK_FILE, Workspace, WORKSPACE_FILE } from '../format/collection-lock.ts'

/** `folder` is the sender's own: what it remembers of the bundles that it made. */
export type OpenWorkspace = { folder: string; lock: CollectionLock; blobFolder: string; sender: Workspace }

/**
 * The workspace as build sees it; the first build names its site and stream, and they stay.
 * @param senderFolder another folder for the sender, where one collection goes to several sites
 * @throws DD-BUNDLE-017 when there is no lock, DD-BUNDLE-014 when it belongs to another site or stream
 */
export async function openWorkspace(folder: string, wanted: { site?: string; stream?: string; epoch?: number }, senderFolder = folder): Promise<OpenWorkspace> {
  const lock = checkShape(CollectionLock, await readJson(join(folder, LOCK_FILE)), LOCK_FILE)
  const found = await readJson(join(senderFolder, WORKSPACE_FILE)).catch((failure: unknown) => {
    if (failure instanceof DrydockError && isErrno(failure.cause, 'ENOENT')) return undefined
    throw failure
  })
  const sender = found === undefined ? firstSender(wanted, lock.name) : checkShape(Workspace, found, WORKSPACE_FILE)
  for (const field of ['site', 'stream'] as const) {
    const asked = wanted[field]
    if (asked !== undefined && asked !== sender[field]) {
      throw new DrydockError('DD-BUNDLE-014', `expected ${field} ${sender[field]}, which this workspace serves, found ${asked}`, `leave out --${field}, or use another workspace folder for ${asked}`)
    }
  }
  return { folder: senderFolder, lock, blobFolder: join(folder, BLOB_FOLDER), sender: { ...sender, epoch: wanted.epoch ?? sender.epoch } }
}

function firstSender(wanted: { site?: string; stream?: string }, name: string): Workspace {
  if (wanted.site === undefined) throw new DrydockError('DD-BUNDLE-014', 'expected a site for the first bundle of this workspace, found none', 'add --site NAME (the siteId of the appliance), or --site \'*\' for every site')
  const stream = wanted.stream ?? name
  if (CONTROL_KINDS.some(kind => kind === stream)) throw new DrydockError('DD-BUNDLE-014', `expected a stream of content, found ${stream}, which only ${stream} bundles may use`, 'add --stream with another name')
  return { format: 'drydock-workspace/1', id: randomUUID(), site: wanted.site, stream, epoch: 0, sequence: 0 }
}

/** Remembers the sequence that was used, after the bundle is whole: a build that was killed uses the same one again. */
export async function keepSequence(workspace: OpenWorkspace, sequence: number): Promise<void> {
  await writeDurably(join(workspace.folder, WORKSPACE_FILE), `${JSON.stringify({ ...workspace.sender, sequence }, null, 2)}\n`, { mode: 0o644 })
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new DrydockError('DD-BUNDLE-017', `expected a JSON document at ${path}, found ${isErrno(cause, 'ENOENT') ? 'no such file' : 'something else'}`, 'run `drydock bundle collect` first; it makes the workspace folder', { cause })
  }
}
