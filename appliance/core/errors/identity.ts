import type { ErrorEntry } from './entry.ts'

export const IDENTITY_ERRORS = {
  'DD-IDENT-001': { exit: 3, http: 401, retryable: false, story: 'User name and password do not belong together. Which of the two is wrong is not said, so that nobody can find out who has an account.' },
  'DD-IDENT-002': { exit: 3, http: 429, retryable: true, story: 'Too many wrong passwords for this name from this address, or from this address at all. The wait doubles with each further one, up to its limit.' },
  'DD-IDENT-003': { exit: 3, http: 401, retryable: false, story: 'The request carried no session or token, or one that has ended: idle too long, signed out, revoked, expired, or its user was removed.' },
  'DD-IDENT-004': { exit: 3, http: 403, retryable: false, story: 'The role of this user (or the scope of this token) does not allow the action. Viewers read; operators bring bundles in and change pools; approvers approve; admins do all of it and manage people and connections.' },
  'DD-IDENT-005': { exit: 3, http: 403, retryable: false, story: 'The password was given out by somebody else and must be changed before anything else can be done.' },
  'DD-IDENT-006': { exit: 2, http: 400, retryable: false, story: 'The new password is too short, too long, the same as the old one, or holds the name of its user.' },
  'DD-IDENT-007': { exit: 1, http: 409, retryable: false, story: 'There is a user of this name already. Names are never shared: the audit log tells people apart by them.' },
  'DD-IDENT-008': { exit: 1, http: 404, retryable: false, story: 'There is no user or token of this name; it may have been removed, or was never added.' },
  'DD-IDENT-009': { exit: 3, http: 409, retryable: false, story: 'This would leave the appliance without an admin who can sign in. Make another admin first.' },
  'DD-IDENT-010': { exit: 1, http: 400, retryable: false, story: 'A certificate request could not be read, has a weak key, or was not signed by the key that it names.' },
  'DD-IDENT-011': { exit: 1, http: 500, retryable: false, story: 'The appliance\'s own keys and certificates (pki/) are missing, damaged, or cannot be opened with the key of this appliance. Restore pki/ from a backup.' },
  'DD-IDENT-012': { exit: 3, http: 403, retryable: false, story: 'A change was asked for from a page that is not the console. Browsers say where a request comes from; only the appliance\'s own address may use a cookie session to change something.' },
} as const satisfies Record<string, ErrorEntry>
