import { randomUUID } from 'node:crypto'
import Type from 'typebox'
import { checkShape } from '../../bundles/format/check.ts'
import { DigestText } from '../../bundles/format/item.ts'
import type { Digest } from '../core/digest.ts'
import type { VmIntent } from '../model/hypervisor.ts'
import { intentDigest } from './ownership.ts'

const strict = { additionalProperties: false } as const

/** A VM as its driver remembers it: `vm.json`, durable. Without `nodeJson`, which holds a token. */
export const VmRecord = Type.Object(
  {
    format: Type.Literal('drydock-vm/1'),
    uuid: Type.String({ pattern: '^[0-9a-f-]{36}$' }),
    /** Milliseconds since 1970. */
    createdAt: Type.Integer(),
    intentDigest: DigestText,
    intent: Type.Object(
      {
        name: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' }),
        ownership: Type.Object(
          { applianceId: Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$' }), pool: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' }), revision: Type.Integer({ minimum: 0 }), fence: Type.Integer({ minimum: 0 }) },
          strict,
        ),
        image: DigestText,
        hardware: Type.Object({ cpus: Type.Integer({ minimum: 1, maximum: 256 }), memoryMiB: Type.Integer({ minimum: 1 }) }, strict),
      },
      strict,
    ),
  },
  strict,
)
export type VmRecord = Type.Static<typeof VmRecord>

/** @throws DD-CORE-009 for a name that could not be a folder, and the like. */
export function newVmRecord(vm: VmIntent, now: number): VmRecord {
  const { name, ownership, image, hardware } = vm
  return checkShape(VmRecord, { format: 'drydock-vm/1', uuid: randomUUID(), createdAt: now, intentDigest: intentDigest(vm), intent: { name, ownership, image, hardware } }, 'VM intent')
}

export function imageOf(record: VmRecord): Digest {
  return record.intent.image
}
