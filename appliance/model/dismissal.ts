import Type from 'typebox'
import { DigestText } from '../../bundles/format/item.ts'

const strict = { additionalProperties: false } as const
const Text = Type.String()

/**
 *   waiting →(as many approvers as the site's policy wants) dismissed; from both → rejected (by an approver), ended (taken back)
 * From rejected and ended it can be claimed again.
 */
export const DISMISSAL_STATES = ['waiting', 'dismissed', 'rejected', 'ended'] as const
export type DismissalState = (typeof DISMISSAL_STATES)[number]

/** What a finding is about: never its name alone, because the same signature in other bytes, or another one in these, is another matter. */
export const Alarm = Type.Object({ scanner: Text, what: Text, digest: DigestText }, strict)
export type Alarm = Type.Static<typeof Alarm>

/** That a finding is none, in the words of who says so, and who agreed. */
export const Dismissal = Type.Object(
  {
    /** The same for the same scanner, signature and bytes. */
    id: Type.String({ pattern: '^[0-9a-f]{32}$' }),
    ...Alarm.properties,
    /** As the finding was told. */
    text: Text,
    items: Type.Array(Text),
    state: Type.Enum(DISMISSAL_STATES),
    reason: Text,
    by: Text,
    at: Text,
    approvals: Type.Array(Type.Object({ user: Text, at: Text }, strict)),
    /** By the site's policy when it was claimed. */
    approvalsNeeded: Type.Integer(),
    /** Who rejected it or took it back, and why. */
    closed: Type.Union([Type.Null(), Type.Object({ by: Text, at: Text, reason: Text }, strict)]),
  },
  strict,
)
export type Dismissal = Type.Static<typeof Dismissal>

/** What people do with findings that are none; operations/ implements it. */
export interface Dismissals {
  /** Newest first. */
  list(): Dismissal[]
  /** @param finding the id of a finding that stands @throws DD-IMPORT-041, DD-IMPORT-042, DD-IMPORT-044 */
  claim(finding: string, reason: string, actor: string): Promise<Dismissal>
  /** @throws DD-IMPORT-041, DD-IMPORT-042, DD-IMPORT-043 for who claimed it */
  approve(id: string, actor: string): Promise<Dismissal>
  /** By an approver: it alarms as before. @throws DD-IMPORT-041, DD-IMPORT-042 */
  reject(id: string, reason: string, actor: string): Promise<Dismissal>
  /** Taken back: it alarms as before. @throws DD-IMPORT-041, DD-IMPORT-042 */
  end(id: string, reason: string, actor: string): Promise<Dismissal>
}
