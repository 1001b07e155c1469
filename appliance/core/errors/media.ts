import type { ErrorEntry } from './entry.ts'

export const MEDIA_ERRORS = {
  'DD-MEDIA-001': { exit: 1, http: 503, retryable: true, story: 'A medium stopped answering while it was read: it was pulled, or it is failing. What was verified is kept; plugged in again, the import goes on by itself.' },
  'DD-MEDIA-002': { exit: 1, http: 503, retryable: true, story: 'The medium that an import reads is not plugged in. When it comes back, the import goes on by itself.' },
  'DD-MEDIA-003': { exit: 3, http: 409, retryable: true, story: 'A medium is mounted below a media root without ro, nosuid, nodev and noexec, or with a file system that is not for media. The hint has the line that mounts it right.' },
  'DD-MEDIA-004': { exit: 3, http: 422, retryable: false, story: 'The reader cannot make sense of a medium within its limits of time, memory and output: it is damaged, was made to mislead, or has no file system that Drydock reads.' },
  'DD-MEDIA-005': { exit: 1, http: 403, retryable: true, story: 'The appliance may not open the device of a medium. It runs as its own user, who needs the right to read removable devices and no other.' },
  'DD-MEDIA-006': { exit: 1, http: 503, retryable: true, story: 'A medium, or the drive it is in, neither answers nor fails. The import that reads it is failed after a minute and goes on when the medium is plugged in again; imports from elsewhere are not held up.' },
} as const satisfies Record<string, ErrorEntry>
