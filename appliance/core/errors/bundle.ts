import type { ErrorEntry } from './entry.ts'

export const BUNDLE_ERRORS = {
  'DD-BUNDLE-001': { exit: 1, http: 500, retryable: false, story: 'Something that canonical JSON (RFC 8785) cannot express was about to be written into a document that must have one spelling.' },
  'DD-BUNDLE-002': { exit: 1, http: 500, retryable: false, story: 'A name or a size does not fit the plain POSIX tar header that volumes are made of.' },
  'DD-BUNDLE-003': { exit: 3, http: 422, retryable: false, story: 'A volume holds something other than regular files with canonical headers: a link, a device, a folder, a PAX record, another spelling. Archives that two programs could read differently are refused whole.' },
  'DD-BUNDLE-004': { exit: 1, http: 500, retryable: true, story: 'A file changed its size while it was packed into a volume.' },
  'DD-BUNDLE-005': { exit: 3, http: 422, retryable: true, story: 'A volume ends in the middle: the copy is incomplete or the medium was pulled out.' },
  'DD-BUNDLE-006': { exit: 3, http: 422, retryable: false, story: 'Something follows the end of the archive. Another program might read it; Drydock refuses the whole file.' },
  'DD-BUNDLE-007': { exit: 3, http: 422, retryable: false, story: 'An entry of a volume is not the one that the signed index names at this place: one is missing, extra, renamed, of another size, or out of order.' },
  'DD-BUNDLE-008': { exit: 3, http: 422, retryable: false, story: 'The bytes of an entry do not have the SHA-256 that was signed. They were not kept.' },
  'DD-BUNDLE-009': { exit: 3, http: 422, retryable: false, story: 'A JSON document from a bundle is not strict, canonical JSON: duplicate keys, byte order mark, invalid UTF-8, numbers beyond 2^53, nesting beyond the limit, or another spelling (RFC 8785).' },
  'DD-BUNDLE-010': { exit: 3, http: 422, retryable: false, story: 'A part of a bundle is larger than its named limit; the message shows measured and allowed.' },
  'DD-BUNDLE-011': { exit: 3, http: 422, retryable: false, story: 'The bundle is of a format or uses a critical field that this version does not know. Nothing of it was read further.' },
  'DD-BUNDLE-012': { exit: 3, http: 422, retryable: false, story: 'The index does not agree with the signed manifest or with itself: digest, size, counts, order, or a blob that nothing brings.' },
  'DD-BUNDLE-013': { exit: 1, http: 500, retryable: false, story: 'The workspace is not complete: a blob that the lock names is missing or has other bytes.' },
  'DD-BUNDLE-014': { exit: 2, http: 409, retryable: false, story: 'The workspace belongs to another site or stream. One workspace serves one stream of one site.' },
  'DD-BUNDLE-015': { exit: 1, http: 500, retryable: true, story: 'What was read back from the medium is not what was written to it: the medium or its reader is bad.' },
  'DD-BUNDLE-016': { exit: 2, http: 409, retryable: false, story: 'This key has signed the bundle already. A second signature by it would not count.' },
  'DD-BUNDLE-017': { exit: 2, http: 400, retryable: false, story: 'A path that should be a bundle file, a workspace or a receipt is not there or cannot be read.' },
  'DD-BUNDLE-018': { exit: 2, http: 400, retryable: false, story: 'A size of volumes that cannot be used: unknown, too small for manifest, signatures and index (each volume bears them all), or so small that there would be more than 999 volumes.' },
  'DD-BUNDLE-019': { exit: 2, http: 400, retryable: false, story: 'The files that were named are not volumes of one bundle: their manifests differ, or one volume was named twice. Names of files do not count, manifests do.' },
  'DD-BUNDLE-030': { exit: 3, http: 422, retryable: false, story: 'A chunk is not what the signed index says that it unfolds to: not exactly one zstd frame of the signed size, or another content. Nothing of it was kept; the bundle was built wrong, or by a builder that somebody changed.' },
} as const satisfies Record<string, ErrorEntry>
