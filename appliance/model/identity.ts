import Type from 'typebox'
import { ROLES, type UserRole } from './view.ts'

const strict = { additionalProperties: false } as const
const Role = Type.Enum(ROLES)

/** `given`: who gave out the account or its last one-time password, and when; `by` is null where that was `init`, or is not known any more. */
export const UserView = Type.Object(
  { name: Type.String(), role: Role, mustChangePassword: Type.Boolean(), createdAt: Type.String(), given: Type.Object({ by: Type.Union([Type.String(), Type.Null()]), at: Type.String() }, strict) },
  strict,
)
export type UserView = Type.Static<typeof UserView>

/** `role` is the most that the token may do; it never goes beyond its user's role. */
export const TokenView = Type.Object({ id: Type.String(), user: Type.String(), label: Type.String(), role: Role, createdAt: Type.String(), expiresAt: Type.String() }, strict)
export type TokenView = Type.Static<typeof TokenView>

/** Whose work each role may do. Operator and approver are apart on purpose: who brings something in does not let it pass. */
export const MAY = {
  viewer: ['viewer'],
  operator: ['viewer', 'operator'],
  approver: ['viewer', 'approver'],
  admin: ['viewer', 'operator', 'approver', 'admin'],
} as const satisfies Record<UserRole, readonly UserRole[]> as Record<UserRole, readonly UserRole[]>

/** Who is asking: a signed-in person or a token. `mayDo` is the role that counts for this request. */
export type Principal = { user: string; mayDo: UserRole; mustChangePassword: boolean; expiresAt: Date; by: 'session' | 'token' }

/** People, sessions and tokens. A *credential* is the secret text of a session or token; only its SHA-256 is ever kept. */
export interface Identity {
  /** @param from the caller's address, for throttling. @throws DD-IDENT-001 wrong, DD-IDENT-002 too often. */
  signIn(name: string, password: string, from: string): Promise<{ credential: string; principal: Principal }>
  /** Who this is; a use of a session begins its idle time again unless `touch` is false. */
  authenticate(credential: string, options?: { touch?: boolean }): Principal | undefined
  /** Ends the session, or revokes the token. What has ended already is no error. */
  signOut(credential: string): Promise<void>
  /** Ends every other session of this user. @throws DD-IDENT-001, DD-IDENT-002, DD-IDENT-006. */
  changePassword(name: string, old: string, next: string, keep: string): Promise<void>
  users(): UserView[]
  /** @param by the admin who does it. @returns the one-time password. @throws DD-IDENT-007. */
  addUser(user: { name: string; role: UserRole }, by: string): Promise<{ user: UserView; oneTimePassword: string }>
  /** With all their sessions and tokens. @throws DD-IDENT-008, DD-IDENT-009. */
  removeUser(name: string): Promise<void>
  /** Ends the user's sessions and tokens. @returns a one-time password. @throws DD-IDENT-008. */
  resetPassword(name: string, by: string): Promise<{ oneTimePassword: string }>
  tokens(user: string | null): TokenView[]
  /** @param request.notAfter it ends then at the latest. @throws DD-IDENT-004 when `role` goes beyond the user's. */
  newToken(request: { user: string; label: string; role: UserRole; hours: number; notAfter?: Date }): Promise<{ token: TokenView; credential: string }>
  /** @param by null: any user's token. @throws DD-IDENT-008. */
  revokeToken(id: string, by: string | null): Promise<void>
}
