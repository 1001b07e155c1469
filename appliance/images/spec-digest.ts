import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { digestOf, type Digest } from '../core/digest.ts'
import type { Lock } from '../model/lock.ts'

/** What `spec=` shows: the digest of the lock's canonical JSON, which is also the lock's blob. */
export function specDigest(lock: Lock): Digest {
  return digestOf(canonicalJson(lock))
}
