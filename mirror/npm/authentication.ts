export type NpmIdentity = { name: string; groups: readonly string[] }

export type NpmCredentials = { token: string } | { user: string; password: string }

/** The appliance's identity, as far as npm clients need it. */
export interface NpmAuthentication {
  /** @returns null when nobody is known by these */
  authenticate(credentials: NpmCredentials): Promise<NpmIdentity | null>
  /** `npm login`: a new token, or null when the password is wrong. */
  login(user: string, password: string): Promise<string | null>
}
