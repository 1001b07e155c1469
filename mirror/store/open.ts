import { join } from 'node:path'
import { wallClock, type Clock } from '../../appliance/core/clock.ts'
import { ensureFolder } from '../../appliance/core/durable-file.ts'
import { uuidv7 } from '../../appliance/core/ids.ts'
import { openBlobStore, type BlobStore } from './blobs.ts'
import { openCatalogue, type Catalogue } from './catalogue.ts'
import type { MirrorFormat } from './format.ts'
import { openDatabase } from './schema.ts'

export type Store = { blobs: BlobStore; catalogue: Catalogue; formats: readonly MirrorFormat[]; close(): void }

/**
 * Opens blobs/ and db/catalogue.sqlite of a data folder; makes them when they are not there. One process at a time.
 * When the public address or the signing key is another than last time, the indexes that name it are rendered again first, as a new generation.
 * @param options.formats what renders: `mirrorFormats(…)` of mirror/formats.ts. Without them items are kept and nothing is served.
 * @throws DD-MIRROR-005 when a newer Drydock wrote the catalogue
 */
export async function openStore(options: { dataDir: string; formats?: readonly MirrorFormat[]; clock?: Clock }): Promise<Store> {
  const formats = options.formats ?? []
  await ensureFolder(join(options.dataDir, 'db'))
  const blobs = await openBlobStore(join(options.dataDir, 'blobs'))
  const database = openDatabase(join(options.dataDir, 'db', 'catalogue.sqlite'))
  const clock = options.clock ?? wallClock
  const catalogue = openCatalogue(database, blobs, formats, clock)
  try {
    await catalogue.renderAgain({ operation: uuidv7(clock.now()) })
  } catch (failure) {
    database.close()
    throw failure
  }
  return { blobs, catalogue, formats, close: () => database.close() }
}
