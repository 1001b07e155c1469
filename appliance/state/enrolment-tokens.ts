import { randomBytes } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../core/clock.ts'
import { digestOf } from '../core/digest.ts'
import type { EnrolmentTokens } from '../model/agent.ts'

/** For the agents’ port (appliance/api/agent): tokens in the history database. 256 random bits each, so a plain hash is enough. */
export function enrolmentTokens(database: DatabaseSync, clock: Clock): EnrolmentTokens {
  database.exec(`
    CREATE TABLE IF NOT EXISTS enrolment_tokens (digest TEXT PRIMARY KEY, node TEXT NOT NULL, issued_at INTEGER NOT NULL, csr_digest TEXT) STRICT;
    CREATE INDEX IF NOT EXISTS enrolment_tokens_by_node ON enrolment_tokens (node);
  `)
  const insert = database.prepare('INSERT INTO enrolment_tokens (digest, node, issued_at) VALUES (?, ?, ?)')
  const bind = database.prepare('UPDATE enrolment_tokens SET csr_digest = ?1 WHERE digest = ?2 AND node = ?3 AND (csr_digest IS NULL OR csr_digest = ?1)')
  const burnOthers = database.prepare('DELETE FROM enrolment_tokens WHERE node = ? AND digest <> ?')
  const burnAll = database.prepare('DELETE FROM enrolment_tokens WHERE node = ?')
  return {
    issue(node) {
      const token = randomBytes(32).toString('base64url')
      insert.run(digestOf(token), node, clock.now().getTime())
      return token
    },
    redeem(token, node, csr) {
      if (bind.run(digestOf(csr), digestOf(token), node).changes === 0) return false
      burnOthers.run(node, digestOf(token))
      return true
    },
    forget(node) {
      burnAll.run(node)
    },
  }
}
