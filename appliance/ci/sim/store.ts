import { randomBytes } from 'node:crypto'
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import type { EnrolledAgent, Faults, NewJob, SimJob } from './wire.ts'

/** An agent is handed one job at a time; a job that was handed out and has no result yet is its `running` one. */
export type StoredAgent = EnrolledAgent & { quiesced: boolean }

type Row = Record<string, SQLOutputValue>

/** Agents, jobs and faults, in SQLite, so that a killed server goes on where it was. */
export class SimCiStore {
  readonly #db: DatabaseSync
  readonly #now: () => number

  constructor(file: string, now: () => number) {
    this.#now = now
    this.#db = new DatabaseSync(file)
    this.#db.exec(`
      PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000;
      CREATE TABLE IF NOT EXISTS agents (number INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT NOT NULL UNIQUE, labels TEXT NOT NULL, secret TEXT NOT NULL, quiesced INTEGER NOT NULL DEFAULT 0) STRICT;
      CREATE TABLE IF NOT EXISTS jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, command TEXT NOT NULL, nonce TEXT NOT NULL, labels TEXT NOT NULL, node TEXT NOT NULL, agent INTEGER,
        queuedAt INTEGER NOT NULL, startedAt INTEGER, finishedAt INTEGER, status INTEGER, output TEXT NOT NULL DEFAULT '', killed INTEGER NOT NULL DEFAULT 0, changedAt INTEGER NOT NULL) STRICT;
      CREATE INDEX IF NOT EXISTS jobs_open ON jobs (id) WHERE finishedAt IS NULL;
      CREATE INDEX IF NOT EXISTS jobs_changed ON jobs (changedAt);
      CREATE TABLE IF NOT EXISTS faults (one INTEGER PRIMARY KEY CHECK (one = 1), json TEXT NOT NULL) STRICT;
    `)
  }

  /** The same node again keeps its id and secret; its labels become these. */
  enrol(node: string, labels: string[]): StoredAgent {
    this.#db.prepare('INSERT INTO agents (node, labels, secret) VALUES (?, ?, ?) ON CONFLICT (node) DO UPDATE SET labels = excluded.labels').run(node, JSON.stringify(labels), randomBytes(24).toString('base64url'))
    return this.agents().find(agent => agent.node === node)!
  }

  agents(): StoredAgent[] {
    return this.#db.prepare('SELECT * FROM agents ORDER BY number').all().map(agentOf)
  }

  /** By `SIM-3` or by node name; no node name has capitals. */
  agent(idOrNode: string): StoredAgent | undefined {
    const row = this.#db.prepare("SELECT * FROM agents WHERE node = ? OR 'SIM-' || number = ?").get(idOrNode, idOrNode)
    return row === undefined ? undefined : agentOf(row)
  }

  quiesce(agent: StoredAgent, quiesced: boolean): void {
    this.#db.prepare('UPDATE agents SET quiesced = ? WHERE number = ?').run(quiesced ? 1 : 0, numberOf(agent))
  }

  /** The job that it ran ends as killed: its process is not waited for. */
  remove(agent: StoredAgent): void {
    const now = this.#now()
    this.#db.prepare('UPDATE jobs SET finishedAt = ?, changedAt = ?, status = 143, killed = 1 WHERE agent = ? AND finishedAt IS NULL').run(now, now, numberOf(agent))
    this.#db.prepare('DELETE FROM agents WHERE number = ?').run(numberOf(agent))
  }

  enqueue(job: NewJob): SimJob {
    const nonce = randomBytes(12).toString('hex')
    const now = this.#now()
    const { lastInsertRowid } = this.#db
      .prepare('INSERT INTO jobs (name, command, nonce, labels, node, queuedAt, changedAt) VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(job.name, job.command.replaceAll('{nonce}', nonce), nonce, JSON.stringify(job.labels ?? []), job.node ?? '', now, now)
    return this.job(String(lastInsertRowid))!
  }

  job(id: string): SimJob | undefined {
    const row = this.#db.prepare('SELECT * FROM jobs WHERE id = ?').get(Number(id))
    return row === undefined ? undefined : jobOf(row)
  }

  jobsSince(changedAt: number): SimJob[] {
    return this.#db.prepare('SELECT * FROM jobs WHERE changedAt >= ? ORDER BY id').all(changedAt).map(jobOf)
  }

  running(agent: StoredAgent): SimJob | undefined {
    const row = this.#db.prepare('SELECT * FROM jobs WHERE finishedAt IS NULL AND agent = ?').get(numberOf(agent))
    return row === undefined ? undefined : jobOf(row)
  }

  /** Node → the jobs that it runs, or ran within the last so many milliseconds, as `name#id`. */
  busy(lately: number): Map<string, string[]> {
    const busy = new Map<string, string[]>()
    const rows = this.#db.prepare('SELECT id, name, node FROM jobs WHERE agent IS NOT NULL AND (finishedAt IS NULL OR (? > 0 AND finishedAt > ?))').all(lately, this.#now() - lately)
    for (const row of rows) busy.set(String(row['node']), [...(busy.get(String(row['node'])) ?? []), `${row['name']}#${row['id']}`])
    return busy
  }

  /** The oldest queued job that this agent may take becomes its running one. */
  assign(agent: StoredAgent): SimJob | undefined {
    const queued = this.#db.prepare("SELECT * FROM jobs WHERE agent IS NULL AND finishedAt IS NULL AND (node = '' OR node = ?) ORDER BY id").all(agent.node).map(jobOf)
    const job = queued.find(candidate => candidate.labels.every(label => agent.labels.includes(label)))
    if (job === undefined) return undefined
    const now = this.#now()
    this.#db.prepare('UPDATE jobs SET agent = ?, node = ?, startedAt = ?, changedAt = ? WHERE id = ? AND agent IS NULL').run(numberOf(agent), agent.node, now, now, Number(job.id))
    return this.job(job.id)
  }

  /** The first result counts; the same agent may send it again. @returns whether this job was given to this agent. */
  finish(agent: StoredAgent, id: string, status: number, output: string): boolean {
    const now = this.#now()
    this.#db.prepare('UPDATE jobs SET finishedAt = ?, changedAt = ?, status = ?, output = ? WHERE id = ? AND agent = ? AND finishedAt IS NULL').run(now, now, status, output, Number(id), numberOf(agent))
    return this.#db.prepare('SELECT 1 FROM jobs WHERE id = ? AND agent = ?').get(Number(id), numberOf(agent)) !== undefined
  }

  get faults(): Faults {
    const row = this.#db.prepare('SELECT json FROM faults').get()
    return row === undefined ? {} : (JSON.parse(String(row['json'])) as Faults)
  }

  set faults(faults: Faults) {
    this.#db.prepare('INSERT INTO faults VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET json = excluded.json').run(JSON.stringify(faults))
  }

  /** Takes one from a counted fault. @returns whether it is to happen now. */
  takeFault(which: 'lostResultAnswers' | 'lostJobAnswers'): boolean {
    const faults = this.faults
    const left = faults[which] ?? 0
    if (left > 0) this.faults = { ...faults, [which]: left - 1 }
    return left > 0
  }

  close(): void {
    this.#db.close()
  }
}

function numberOf(agent: StoredAgent): number {
  return Number(agent.id.slice('SIM-'.length))
}

function agentOf(row: Row): StoredAgent {
  return { id: `SIM-${row['number']}`, node: String(row['node']), labels: JSON.parse(String(row['labels'])) as string[], secret: String(row['secret']), quiesced: row['quiesced'] === 1 }
}

function jobOf(row: Row): SimJob {
  const numberOrNull = (key: string): number | null => (row[key] === null ? null : Number(row[key]))
  return {
    id: String(row['id']),
    name: String(row['name']),
    command: String(row['command']),
    nonce: String(row['nonce']),
    labels: JSON.parse(String(row['labels'])) as string[],
    node: String(row['node']),
    queuedAt: Number(row['queuedAt']),
    startedAt: numberOrNull('startedAt'),
    finishedAt: numberOrNull('finishedAt'),
    status: numberOrNull('status'),
    output: String(row['output']),
    killed: row['killed'] === 1,
    changedAt: Number(row['changedAt']),
  }
}
