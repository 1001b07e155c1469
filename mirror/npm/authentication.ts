export type NpmIdentity = { name: string; groups: readonly string[] }

export type NpmCredentials = { token: string } | { user: string; password: string }

/** The appliance's identity and audit log, as far as npm clients need them. `from` is the client's address, for throttling. */
export interface NpmAuthentication {
  /** @returns null when nobody is known by these */
  authenticate(credentials: NpmCredentials, from: string): Promise<NpmIdentity | null>
  /** `npm login`: a new token, or null when the password is wrong. */
  login(user: string, password: string, from: string): Promise<string | null>
  /** `npm logout`: the token is worth nothing afterwards. */
  logout(token: string): Promise<void>
  /** Into the audit log, durable before it returns. What it throws refuses the change. */
  record(change: { user: string; action: string; subject: string; outcome: 'allowed' | 'refused' }): void
}
