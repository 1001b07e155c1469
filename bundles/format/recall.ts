import Type from 'typebox'
import { DigestText, ITEM_KINDS } from './item.ts'

export const SEVERITIES = ['critical', 'high', 'medium', 'low'] as const

/** `kind:name@version` as `itemKey` spells it without a variant; `@*` is every version. */
export const RECALLED_ITEM = new RegExp(`^(${ITEM_KINDS.filter(kind => kind !== 'trust' && kind !== 'recall').join('|')}):(.{1,512})@([^@]{1,256})$`, 'u')

/**
 * What a `recall` item says, in `metadata.recall`; its name is the id. `recall` withdraws (a later one of the same id adds to it),
 * `lift` takes all of that id back.
 */
export const Recall = Type.Object(
  {
    action: Type.Union([Type.Literal('recall'), Type.Literal('lift')]),
    id: Type.String({ pattern: '^[a-z0-9][a-z0-9.-]{0,62}$', description: 'a name of small letters, digits, dot and -' }),
    reason: Type.String({ minLength: 1, maxLength: 1024 }),
    severity: Type.Enum(SEVERITIES),
    date: Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$', description: 'a time like 2026-11-21T08:00:00Z' }),
    digests: Type.Array(DigestText, { maxItems: 8000, uniqueItems: true }),
    items: Type.Array(Type.String({ pattern: RECALLED_ITEM.source, maxLength: 800, description: 'an item like npm:left-pad@1.3.0, or npm:left-pad@* for every version' }), { maxItems: 2000, uniqueItems: true }),
    /** What to use instead, for people. */
    replacement: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
  },
  { additionalProperties: false },
)
export type Recall = Type.Static<typeof Recall>

/** A recall as the appliance remembers it, lifted ones too. `manifest` is the bundle that brought it last. */
export const RecallRecord = Type.Object(
  {
    id: Recall.properties.id,
    reason: Recall.properties.reason,
    severity: Recall.properties.severity,
    date: Recall.properties.date,
    digests: Type.Array(DigestText),
    items: Type.Array(Type.String()),
    replacement: Type.Union([Type.String(), Type.Null()]),
    manifest: DigestText,
    at: Type.String(),
    lifted: Type.Union([Type.Null(), Type.Object({ at: Type.String(), reason: Type.String(), manifest: DigestText }, { additionalProperties: false })]),
  },
  { additionalProperties: false },
)
export type RecallRecord = Type.Static<typeof RecallRecord>
