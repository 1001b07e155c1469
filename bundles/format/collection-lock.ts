import Type from 'typebox'
import { Item } from './item.ts'

/**
 * The joint between `bundle collect` and `bundle build`: a folder on the connected side.
 *
 *     WORKSPACE/lock.json        collect writes it: what the collection file was resolved to, every digest in it
 *     WORKSPACE/blobs/<hex>      collect fills it: every blob of every item, verified, named by its SHA-256
 *     WORKSPACE/workspace.json   build's own: which sender this is and the last sequence it used, see Workspace
 *     WORKSPACE/sites/SITE/…     a relay of several sites: workspace.json and records/ of each, over the lock and the blobs of all
 */
export const LOCK_FILE = 'lock.json'
export const BLOB_FOLDER = 'blobs'
export const WORKSPACE_FILE = 'workspace.json'
export const SITES_FOLDER = 'sites'

/** `lock.json`. Same lock, same sequence, same bundle bytes; so `created` is the lock's time, UTC with seconds, and items stand in the order of their keys. */
export const CollectionLock = Type.Object(
  {
    format: Type.Literal('drydock-collection-lock/1'),
    /** The collection's name, first part of the volumes' file names. */
    name: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' }),
    created: Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$' }),
    items: Type.Array(Item),
  },
  { additionalProperties: false },
)
export type CollectionLock = Type.Static<typeof CollectionLock>

/** `workspace.json`. Made by the first build; `site` and `stream` never change afterwards, `sequence` is the last one built (0: none). */
export const Workspace = Type.Object(
  {
    format: Type.Literal('drydock-workspace/1'),
    /** Names this sender in manifests, so that two workspaces for one stream are noticed. */
    id: Type.String({ minLength: 1, maxLength: 128 }),
    site: Type.String({ pattern: '^(\\*|[a-z0-9][a-z0-9-]{0,62})$' }),
    stream: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' }),
    epoch: Type.Integer({ minimum: 0 }),
    sequence: Type.Integer({ minimum: 0 }),
  },
  { additionalProperties: false },
)
export type Workspace = Type.Static<typeof Workspace>
