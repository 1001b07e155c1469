import type { ErrorEntry } from './entry.ts'

export const HYPERVISOR_ERRORS = {
  'DD-HV-001': { exit: 1, http: 409, retryable: false, story: 'A VM of this name exists with another intent. VMs are never changed in place: the old one is destroyed first, and names are not used again.' },
  'DD-HV-002': { exit: 3, http: 403, retryable: false, story: 'A VM was to be touched that does not carry exactly the expected appliance id, pool, revision and fence. It may be somebody else’s, so nothing was done.' },
  'DD-HV-003': { exit: 1, http: 500, retryable: false, story: 'The image is not usable on this hypervisor: a file of its folder is missing or does not have the digest that the image manifest states.' },
  'DD-HV-004': { exit: 1, http: 502, retryable: true, story: 'The hypervisor did not start the VM. What it said is in the hint; the next attempt begins where this one ended.' },
  'DD-HV-005': { exit: 1, http: 502, retryable: true, story: 'A VM was told to stop, and then killed, and is still there. Its files were left in place, so that it can be found and removed.' },
  'DD-HV-006': { exit: 1, http: 404, retryable: false, story: 'The hypervisor has no VM of this name that belongs to this appliance.' },
  'DD-HV-007': { exit: 1, http: 502, retryable: true, story: 'The simulated hypervisor was told to fail here, as a real one may at any time.' },
} as const satisfies Record<string, ErrorEntry>
