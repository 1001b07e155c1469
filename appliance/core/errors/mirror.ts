import type { ErrorEntry } from './entry.ts'

export const MIRROR_ERRORS = {
  'DD-MIRROR-001': { exit: 3, http: 409, retryable: false, story: 'An item that the mirrors already hold came again under the same name and version with other bytes. What is there is never overwritten: publish the change under a new version.' },
  'DD-MIRROR-002': { exit: 1, http: 500, retryable: false, story: 'Bytes that the catalogue or a bundle names are not in the blob store.' },
  'DD-MIRROR-003': { exit: 1, http: 404, retryable: false, story: 'There is no generation of this number: it is not made yet, or it was collected as garbage.' },
  'DD-MIRROR-004': { exit: 3, http: 422, retryable: false, story: 'An item does not fit its own bytes or its ecosystem: a wrong integrity, a name that leads out of its folder, metadata that no client could use. The message names the item and the field.' },
  'DD-MIRROR-005': { exit: 1, http: 500, retryable: false, story: 'The catalogue on disk was written by another, newer format than this Drydock knows.' },
  'DD-MIRROR-006': { exit: 1, http: 500, retryable: false, story: 'verdaccio, which takes private npm packages, did not load the plugin that ties it to the appliance. It would go on with accounts of its own, so the start is stopped.' },
  'DD-MIRROR-007': { exit: 3, http: 410, retryable: false, story: 'These bytes were withdrawn by a recall. They stay listed, so that it is seen what is meant, but no generation serves them until the recall is lifted.' },
} as const satisfies Record<string, ErrorEntry>
