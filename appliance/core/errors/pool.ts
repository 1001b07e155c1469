import type { ErrorEntry } from './entry.ts'

export const POOL_ERRORS = {
  'DD-POOL-001': { exit: 1, http: 404, retryable: false, story: 'There is no pool, or no revision of it, under this name.' },
  'DD-POOL-002': { exit: 1, http: 409, retryable: false, story: 'A pool of this name is here already. `pool update` makes a new revision of it.' },
  'DD-POOL-003': { exit: 2, http: 422, retryable: false, story: 'The spec names a hypervisor or a CI connection that this appliance does not have.' },
  'DD-POOL-004': { exit: 2, http: 422, retryable: false, story: 'The document is of another pool than the one it was given for. A pool keeps its name for life.' },
  'DD-POOL-005': { exit: 1, http: 409, retryable: false, story: 'There is no revision to roll back to: only one that has been baked has a lock and an image.' },
  'DD-POOL-006': { exit: 1, http: 500, retryable: true, story: 'The rollout failed: nodes of the new revision did not become healthy in time. With `onFailure: rollback` the last healthy revision is being restored; else the pool is paused for a person to look at.' },
  'DD-POOL-007': { exit: 1, http: 409, retryable: false, story: 'The rollout was overtaken by a newer one of the same pool, which goes on.' },
  'DD-POOL-008': { exit: 1, http: 409, retryable: false, story: 'The pool is being deleted; it takes no changes any more.' },
  'DD-POOL-009': { exit: 1, http: 409, retryable: false, story: 'An appliance has one embedded QEMU: two of them would share one folder of machines.' },
} as const satisfies Record<string, ErrorEntry>
