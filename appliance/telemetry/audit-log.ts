import { readFile } from 'node:fs/promises'
import type { DatabaseSync } from 'node:sqlite'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import type { Clock } from '../core/clock.ts'
import { writeDurably } from '../core/durable-file.ts'
import { asDrydockError, DrydockError, isErrno } from '../core/error.ts'
import type { Log } from '../core/log.ts'
import type { Signer } from '../core/signer.ts'
import type { AuditLog, AuditRecord } from '../model/audit.ts'
import { isDiskFull, type Reserve } from '../state/reserve.ts'
import { auditDigest, GENESIS, type AuditLine, type HeadStatement } from './audit-chain.ts'

export type AuditLogOptions = {
  database: DatabaseSync
  clock: Clock
  log: Log
  reserve: Reserve
  signer: Signer
  applianceId: string
  /** A file in marksDir that always holds the newest signed head: with it a log that was cut off at its end is noticed. */
  headFile: string
}

export type OpenAuditLog = AuditLog & {
  /** Signs the newest head now, when it is not signed yet. */
  seal(): Promise<void>
  close(): Promise<void>
}

/**
 * The hash chain. A record is durable at once; its head is signed right after, many records under one signature when they come fast
 * (a signature costs milliseconds, a record must not). What is not yet covered by a signature is still chained.
 */
export function openAuditLog(options: AuditLogOptions): OpenAuditLog {
  const { database, clock, reserve, signer } = options
  const insert = database.prepare('INSERT INTO audit (seq, digest, line) VALUES (?, ?, ?)')
  const newest = database.prepare('SELECT seq, digest FROM audit ORDER BY seq DESC LIMIT 1')
  const some = database.prepare('SELECT line FROM audit WHERE seq > ? ORDER BY seq LIMIT ?')
  const putHead = database.prepare('INSERT OR REPLACE INTO audit_heads (seq, line) VALUES (?, ?)')
  const lastHead = database.prepare('SELECT max(seq) AS seq FROM audit_heads')
  const heads = database.prepare('SELECT seq, line FROM audit_heads ORDER BY seq')
  let sealing: Promise<void> = Promise.resolve()
  let sealWaits = false

  function append(entry: Parameters<AuditLog['record']>[0]): AuditRecord {
    const last = newest.get()
    const chained = {
      seq: Number(last?.['seq'] ?? 0) + 1,
      at: clock.now().toISOString(),
      actor: entry.actor,
      action: entry.action,
      subject: entry.subject,
      outcome: entry.outcome,
      fields: entry.fields ?? {},
      previous: String(last?.['digest'] ?? GENESIS),
    }
    const record: AuditRecord = { ...chained, digest: auditDigest(chained) }
    insert.run(record.seq, record.digest, canonicalJson(record))
    return record
  }

  async function signHead(): Promise<void> {
    const last = newest.get()
    if (last === undefined || Number(last['seq']) === Number(lastHead.get()?.['seq'] ?? 0)) return
    const head: HeadStatement = { format: 'drydock-audit-head/1', applianceId: options.applianceId, seq: Number(last['seq']), digest: String(last['digest']), at: clock.now().toISOString() }
    const signature = await signer.sign(Buffer.from(canonicalJson(head)))
    const line = JSON.stringify({ head, signature, signer: signer.fingerprint } satisfies AuditLine)
    await keepHead(head.seq, line).catch(async (failure: unknown) => {
      if (!isDiskFull(failure) || !reserve.give()) throw failure
      await keepHead(head.seq, line)
    })
  }

  async function keepHead(seq: number, line: string): Promise<void> {
    putHead.run(seq, line)
    await writeDurably(options.headFile, `${line}\n`)
  }

  function seal(): Promise<void> {
    const next = sealing.then(() => {
      sealWaits = false
      return signHead()
    })
    sealing = next.catch((failure: unknown) => {
      options.log.error({ code: asDrydockError(failure).code, cause: String(failure) }, 'the audit head could not be signed; the next record tries again')
    })
    return next
  }

  return {
    record(entry) {
      let record: AuditRecord
      try {
        try {
          record = append(entry)
        } catch (failure) {
          if (!isDiskFull(failure) || !reserve.give()) throw failure
          record = append(entry)
        }
      } catch (cause) {
        throw new DrydockError('DD-STATE-010', `expected the audit record of ${entry.action} to be written, found a disk or database that would not take it`, 'free space on the data volume; the action was refused and nothing was changed', { cause })
      }
      if (!sealWaits) {
        sealWaits = true
        void seal().catch(() => undefined)
      }
      return record
    },
    list(filter) {
      return some.all(filter?.after ?? 0, filter?.limit ?? 1000).map(row => JSON.parse(String(row['line'])) as AuditRecord)
    },
    async export() {
      await seal()
      const headLines = new Map(heads.all().map(row => [Number(row['seq']), String(row['line'])]))
      const sealed = Math.max(0, ...headLines.keys())
      const lines: string[] = []
      for (const row of some.all(0, sealed)) {
        const record = JSON.parse(String(row['line'])) as AuditRecord
        lines.push(JSON.stringify({ record } satisfies AuditLine))
        const head = headLines.get(record.seq)
        if (head !== undefined) lines.push(head)
      }
      return lines
    },
    seal,
    async close() {
      await seal().catch(() => undefined)
    },
  }
}

/** The newest signed head as marksDir has it, and what the log holds in its place. */
export type LostRecords = { seq: number; digest: string; at: string; found: string }

/**
 * Whether the log still holds what its newest signed head covers; a database that was restored or cut off does not. Asked before the log is
 * opened, since the next head takes the place of this one.
 * @returns null when it does, or no head was ever written
 */
export async function lostRecords(database: DatabaseSync, headFile: string): Promise<LostRecords | null> {
  const text = await readFile(headFile, 'utf8').catch((failure: unknown) => {
    if (isErrno(failure, 'ENOENT')) return null
    throw failure
  })
  const line = text === null ? null : headIn(text)
  if (line === null) return null
  const { seq, digest, at } = line
  const here = database.prepare('SELECT digest FROM audit WHERE seq = ?').get(seq)?.['digest']
  if (here === digest) return null
  const newest = Number(database.prepare('SELECT max(seq) AS seq FROM audit').get()?.['seq'] ?? 0)
  return { seq, digest, at, found: here === undefined ? `${newest} records` : 'another record at its place' }
}

/** A head file that is torn says nothing; the log itself is still a chain. */
function headIn(text: string): HeadStatement | null {
  try {
    const line = JSON.parse(text) as AuditLine
    return 'head' in line ? line.head : null
  } catch {
    return null
  }
}

/** When the last record was made; trusted time stands on it. */
export function lastAuditTime(database: DatabaseSync): Date | undefined {
  const line = database.prepare('SELECT line FROM audit ORDER BY seq DESC LIMIT 1').get()?.['line']
  return typeof line === 'string' ? new Date((JSON.parse(line) as AuditRecord).at) : undefined
}
