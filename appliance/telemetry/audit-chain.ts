import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { digestOf, type Digest } from '../core/digest.ts'
import type { AuditRecord } from '../model/audit.ts'

/** What the first record calls the one before it. */
export const GENESIS = `sha256:${'0'.repeat(64)}` as Digest

/** The digest of a record: over the canonical JSON of everything in it but the digest itself. */
export function auditDigest(record: Omit<AuditRecord, 'digest'>): Digest {
  const { seq, at, actor, action, subject, outcome, fields, previous } = record
  return digestOf(canonicalJson({ seq, at, actor, action, subject, outcome, fields, previous }))
}

/** What a head's signature covers: so many records, ending in this digest, of this appliance. */
export type HeadStatement = { format: 'drydock-audit-head/1'; applianceId: string; seq: number; digest: string; at: string }

/** One line of an exported audit log. */
export type AuditLine = { record: AuditRecord } | { head: HeadStatement; signature: string; signer: string }
