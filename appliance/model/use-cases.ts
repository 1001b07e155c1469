import type { ImportRecord } from '../../bundles/format/import-record.ts'
import type { Operation } from './operation.ts'
import type { PoolDocument, Revision } from './pool.ts'
import type { PoolDiff, PoolView } from './view.ts'

/** Who asks, and the key that makes a repeated request the same one. */
export type Request = { actor: string; idempotencyKey: string }

/** What people do with pools; the API and the command line speak to this, operations/ implements it. */
export interface Pools {
  list(): PoolView[]
  /** @throws DD-POOL-… when there is none of this name. */
  get(name: string): PoolView
  create(document: PoolDocument, message: string, actor: string): Promise<Revision>
  /** A new immutable revision from the head with a new document, or with only the roles replaced. */
  update(name: string, change: { document?: PoolDocument; roles?: string[] }, message: string, actor: string): Promise<Revision>
  diff(name: string): Promise<PoolDiff>
  apply(name: string, request: Request): Operation
  /** To the last healthy revision before the target, or to the one named. Makes a new revision with the old lock. */
  rollback(name: string, to: number | null, request: Request): Operation
  history(name: string): Revision[]
  pause(name: string, reason: string, actor: string): Promise<void>
  resume(name: string, actor: string): Promise<void>
  /** Drains and removes every node, then the pool. */
  delete(name: string, request: Request): Operation
}

/** What people do with imports. `id` is the import's id, its stream and sequence (`demo-3`), or its sequence alone. */
export interface Imports {
  list(): ImportRecord[]
  get(id: string): ImportRecord
  /** A path under the configured media roots. */
  submitPath(path: string, request: Request): Operation
  /** Streams an upload into the staging area, then goes on as with a path. */
  submitStream(body: AsyncIterable<Uint8Array>, fileName: string, request: Request): Promise<Operation>
  /** `go on` after the preflight: `import run --yes` and the console's button. */
  proceed(id: string, actor: string): Promise<ImportRecord>
  approve(id: string, actor: string): Promise<ImportRecord>
  reject(id: string, reason: string, actor: string): Promise<ImportRecord>
  /** `from`: the source that is there now, where the import has several. */
  resume(id: string, request: Request, from?: string): Operation
  /** The signed receipt: canonical JSON and its armored signature. @throws DD-IMPORT-… while there is none. */
  receipt(id: string): { receipt: string; signature: string }
}
