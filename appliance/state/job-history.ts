import type { CiJob } from '../model/ci-connector.ts'
import type { HistoryDatabase } from './history.ts'

/** A job with what it ran on, so that it can be traced to an image, a lock, and who signed and approved what is in it. */
export type TracedJob = CiJob & { connection: string; image: string | null; revision: number | null }

/** Jobs in history, by connection and id; the newest state of each. */
export interface JobHistory {
  put(job: TracedJob): void
  /** Newest first. */
  list(filter: { node?: string; limit?: number }): TracedJob[]
  /** When the newest job of a connection that is known was queued; 0 when there is none. Milliseconds since 1970. */
  newest(connection: string): number
}

export function openJobHistory(database: HistoryDatabase): JobHistory {
  // What a job ran on is what its node was when it was first seen: the record of a node that is gone stays as it was, but a name may be shown again.
  const put = database.prepare(`
    INSERT INTO jobs (connection, id, node, image, revision, name, queued_at, started_at, finished_at, status, output) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (connection, id) DO UPDATE SET node = excluded.node, image = coalesce(image, excluded.image), revision = coalesce(revision, excluded.revision),
      started_at = excluded.started_at, finished_at = excluded.finished_at, status = excluded.status, output = excluded.output`)
  const some = database.prepare('SELECT * FROM jobs WHERE (?1 IS NULL OR node = ?1) ORDER BY queued_at DESC, id DESC LIMIT ?2')
  const newest = database.prepare('SELECT max(queued_at) AS at FROM jobs WHERE connection = ?')
  return {
    put(job) {
      put.run(job.connection, job.id, job.node, job.image, job.revision, job.name, job.queuedAt, job.startedAt, job.finishedAt, job.status, job.output)
    },
    list(filter) {
      return some.all(filter.node ?? null, filter.limit ?? 100).map(fromRow)
    },
    newest: connection => Number(newest.get(connection)?.['at'] ?? 0),
  }
}

function fromRow(row: Record<string, unknown>): TracedJob {
  const number = (field: string): number | null => (row[field] === null ? null : Number(row[field]))
  return {
    connection: String(row['connection']),
    id: String(row['id']),
    node: String(row['node']),
    name: String(row['name']),
    image: typeof row['image'] === 'string' ? row['image'] : null,
    revision: number('revision'),
    queuedAt: Number(row['queued_at']),
    startedAt: number('started_at'),
    finishedAt: number('finished_at'),
    status: number('status'),
    output: String(row['output']),
  }
}
