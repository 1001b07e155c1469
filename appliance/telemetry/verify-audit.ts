import Type from 'typebox'
import { checkShape } from '../../bundles/format/check.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { DrydockError } from '../core/error.ts'
import { AuditRecord } from '../model/audit.ts'
import { auditDigest, GENESIS } from './audit-chain.ts'

const strict = { additionalProperties: false } as const
const Head = Type.Object({ format: Type.Literal('drydock-audit-head/1'), applianceId: Type.String(), seq: Type.Integer(), digest: Type.String(), at: Type.String() }, strict)
const RecordLine = Type.Object({ record: AuditRecord }, strict)
const HeadLine = Type.Object({ head: Head, signature: Type.String({ maxLength: 65536 }), signer: Type.String() }, strict)

export type VerifyAuditOptions = {
  /** Whether this is the appliance's signature over these bytes; from bundles/openpgp with the appliance's public key. */
  verifySignature: (bytes: Uint8Array, signature: string) => Promise<boolean>
  /** A head that was seen before (an earlier export, marksDir): the log must still go through it. */
  expect?: { seq: number; digest: string }
}

/**
 * Checks an exported log offline, line by line: shape, numbering, chain, and that a signed head stands at its end.
 * Editing breaks the digest, removing or moving breaks the numbering and the chain, making the chain again breaks the signature of the next
 * head, cutting off the end leaves records without a head, or (cut at a head) misses the head that was seen before.
 * @throws DD-STATE-011 that says at which line and record.
 */
export async function verifyAudit(lines: Iterable<string> | AsyncIterable<string>, options: VerifyAuditOptions): Promise<{ records: number; heads: number; last: { seq: number; digest: string } }> {
  let previous: string = GENESIS
  let seq = 0
  let sealed = 0
  let heads = 0
  let number = 0
  let metExpected = options.expect === undefined || options.expect.seq === 0
  const fault = (found: string, at = seq): DrydockError =>
    new DrydockError('DD-STATE-011', `expected an unbroken audit log, found ${found} (line ${number}, after record ${at})`, 'compare with an earlier export and with the head in marksDir; treat the appliance as tampered with')

  for await (const text of lines) {
    number += 1
    const line = parse(text, fault)
    if ('record' in line) {
      const { record } = line
      if (record.seq !== seq + 1) throw fault(`record ${record.seq} where ${seq + 1} must stand`)
      if (record.previous !== previous) throw fault(`record ${record.seq} that does not follow the one before it`)
      if (auditDigest(record) !== record.digest) throw fault(`record ${record.seq} whose content is not what its digest says`)
      seq = record.seq
      previous = record.digest
      if (options.expect?.seq === seq) {
        if (options.expect.digest !== previous) throw fault(`record ${seq} differing from the head that was seen before`)
        metExpected = true
      }
    } else {
      if (line.head.seq !== seq || line.head.digest !== previous) throw fault(`a signed head of record ${line.head.seq} that says otherwise`)
      if (!(await options.verifySignature(Buffer.from(canonicalJson(line.head)), line.signature))) throw fault(`a head of record ${seq} that this appliance did not sign`)
      sealed = seq
      heads += 1
    }
  }
  if (sealed !== seq) throw fault(`${seq - sealed} records after the last signed head`)
  if (!metExpected) throw fault(`the end at record ${seq}, but record ${options.expect?.seq} was seen before`)
  if (heads === 0) throw fault('no signed head')
  return { records: seq, heads, last: { seq, digest: previous } }
}

function parse(text: string, fault: (found: string) => DrydockError): Type.Static<typeof RecordLine> | Type.Static<typeof HeadLine> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && 'record' in value ? checkShape(RecordLine, value, 'audit record') : checkShape(HeadLine, value, 'audit head')
  } catch {
    throw fault('a line that is neither a record nor a signed head')
  }
}
