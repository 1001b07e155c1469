import type { ErrorEntry } from './entry.ts'

export const IMAGE_ERRORS = {
  'DD-IMAGE-001': { exit: 2, http: 422, retryable: false, story: 'A pool spec names a role that the generation does not hold, or not in that version. The message shows the nearest one; a bundle must bring the role pack.' },
  'DD-IMAGE-002': { exit: 2, http: 422, retryable: false, story: 'A pool spec names a base that the generation does not hold. A bundle must bring the base pack with its packages.' },
  'DD-IMAGE-003': { exit: 1, http: 422, retryable: false, story: 'The Debian packages of a base or a role cannot be installed from what the generation holds. The message shows what apt says is missing; a bundle must bring it.' },
  'DD-IMAGE-004': { exit: 1, http: 422, retryable: false, story: 'A Python package of a role, or one that it depends on, is not in the generation as a wheel that fits the image. A bundle must bring it.' },
  'DD-IMAGE-005': { exit: 2, http: 422, retryable: false, story: 'A role requires another one that the spec does not name, or names after it. Roles are stacked in the order of the spec.' },
  'DD-IMAGE-006': { exit: 2, http: 422, retryable: false, story: 'Two roles of one spec exclude each other: one says so, both are versions of one role, or both set one environment variable or Python package differently.' },
  'DD-IMAGE-007': { exit: 1, http: 422, retryable: false, story: 'Two roles of one spec write one path with different content. Nobody could say which of the two a job would see, so there is no lock.' },
  'DD-IMAGE-008': { exit: 1, http: 422, retryable: false, story: 'A role pack or base pack in the generation is not valid YAML of its schema. A bundle must bring a corrected one.' },
  'DD-IMAGE-009': { exit: 1, http: 500, retryable: false, story: 'Baking runs unprivileged in user namespaces; the machine or the user is not set up for them, or the appliance runs as root.' },
  'DD-IMAGE-010': { exit: 1, http: 500, retryable: true, story: 'A step of a bake failed. What it said last is in the hint; nothing half-made was kept, and the next try starts from the finished layers.' },
  'DD-IMAGE-011': { exit: 1, http: 500, retryable: true, story: 'The bytes of a baked image or of a kept layer are no longer what its digest says.' },
  'DD-IMAGE-012': { exit: 1, http: 404, retryable: false, story: 'There is no image with this digest on this appliance: it was never baked here, or has been removed.' },
  'DD-IMAGE-013': { exit: 1, http: 422, retryable: false, story: 'A file that should be a wheel is damaged, or holds names that would leave its folder.' },
  'DD-IMAGE-014': { exit: 1, http: 409, retryable: false, story: 'A lock was made for another version of the baker or the agent and cannot be baked to the same bytes by this one. Apply the pool again.' },
  'DD-IMAGE-015': { exit: 1, http: 422, retryable: false, story: 'An image has so many layers that their root hashes do not fit on the kernel command line.' },
  'DD-IMAGE-016': { exit: 1, http: 422, retryable: false, story: 'A role names a file that the generation does not hold. A bundle must bring it.' },
  'DD-IMAGE-017': { exit: 3, http: 409, retryable: false, story: 'The lock of an image names something that was withdrawn by a recall. Images that were baked before stay as they are; no new one is made with it.' },
} as const satisfies Record<string, ErrorEntry>
