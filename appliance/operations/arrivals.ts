import type { Imports } from '../model/use-cases.ts'
import type { ImportLedger } from './import-ledger.ts'
import type { Operations } from './operation-kind.ts'

/** A bundle that is there without anybody having submitted it. */
export type Arrival = {
  actor: string
  /** What the import reads: a path, or a source of a medium. */
  source: string
  /** The same for ever while the bytes are the same. */
  identity: string
  /** It came just now (a stick was put in), and is not only still there. */
  pluggedIn: boolean
}

type Deps = { imports: Pick<Imports, 'submitPath' | 'resume'>; ledger: ImportLedger; operations: Pick<Operations, 'get'> }

/** An import with volumes that turned out bad or gone, waiting for them again. */
const WAITS_AGAIN = /^again-\d+$/

/**
 * Starts one import for each identity, however often it is seen and whatever restarts between. What is plugged in again while its import
 * failed or waits for it goes on there; what was refused or rejected is left alone until its bytes change.
 * @returns the import, when this started or took up one
 */
export function arrive({ imports, ledger, operations }: Deps, { actor, source, identity, pluggedIn }: Arrival): string | undefined {
  const known = ledger.arrival(identity)
  if (known !== undefined) return pluggedIn ? goOn(known) : undefined
  const earlier = ledger.list().find(record => ledger.submission(record.id).source === source)
  // It changed while its import runs or waits: that import finds out by itself. When it has ended, the next look comes here again.
  if (earlier !== undefined && !['imported', 'refused', 'rejected', 'cancelled', 'failed'].includes(earlier.state)) return undefined
  const { id } = earlier?.state === 'failed' ? imports.resume(earlier.id, { actor, idempotencyKey: identity }, source) : imports.submitPath(source, { actor, idempotencyKey: identity })
  const started = earlier?.state === 'failed' ? earlier.id : id
  ledger.keepArrival(identity, started)
  return started

  function goOn(id: string): string | undefined {
    const record = ledger.get(id)
    if (record === undefined) return undefined
    // Each failure is taken up once for each time that the medium comes.
    if (record.state === 'failed') return imports.resume(record.id, { actor, idempotencyKey: `${identity}:${record.operation}` }, source).id
    const waitingOn = operations.get(record.operation)?.waitingOn ?? ''
    if (record.state !== 'parked' || !WAITS_AGAIN.test(waitingOn) || ledger.volumes(record.id).some(volume => volume.source === source)) return undefined
    return imports.submitPath(source, { actor, idempotencyKey: `${identity}:${record.operation}:${waitingOn}` }).id
  }
}
