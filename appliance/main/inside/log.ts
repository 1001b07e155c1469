import { pino } from 'pino'
import type { Log } from '../../core/log.ts'

/** Structured lines on standard error, where journald or whoever started us takes them. Standard output belongs to the verb. */
export function processLog(level: string): Log {
  return pino({ level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` }, pino.destination({ fd: 2, sync: true }))
}
