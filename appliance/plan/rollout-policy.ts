import { DrydockError } from '../core/error.ts'
import type { PoolSpec } from '../model/pool.ts'

/** What `rollout` means in numbers for a pool of this size. Spans in milliseconds. */
export type RolloutPolicy = {
  /** Nodes that may exist beyond the size. */
  surge: number
  /** Nodes that may be missing from the ready ones. */
  unavailable: number
  /** New nodes that must have been healthy for `soak` before any old one is touched. */
  canary: number
  soak: number
  drainTimeout: number
  bootTimeout: number
  onFailure: 'rollback' | 'pause'
}

export const ROLLOUT_DEFAULTS = { maxSurge: '10%', maxUnavailable: 0, canary: 1, soak: '1m', drainTimeout: '30m', bootTimeout: '10m', onFailure: 'rollback' } as const

/** @throws DD-POOL-106 for the strategy `switch`, and when neither surge nor unavailability is allowed. */
export function rolloutPolicy(spec: PoolSpec): RolloutPolicy {
  const rollout = { ...ROLLOUT_DEFAULTS, ...spec.rollout }
  if (spec.rollout?.strategy === 'switch') {
    throw new DrydockError('DD-POOL-106', 'expected rollout.strategy rolling, found switch', 'use rolling: this version does not switch whole generations yet', { at: '/spec/rollout/strategy' })
  }
  const surge = countOf(rollout.maxSurge, spec.size)
  const unavailable = countOf(rollout.maxUnavailable, spec.size)
  if (surge === 0 && unavailable === 0) {
    throw new DrydockError('DD-POOL-106', 'expected maxSurge or maxUnavailable above 0, found both 0', 'allow at least one node more or one node less while nodes are replaced', { at: '/spec/rollout' })
  }
  return {
    surge,
    unavailable,
    canary: Math.min(rollout.canary, spec.size),
    soak: millisecondsOf(rollout.soak),
    drainTimeout: millisecondsOf(rollout.drainTimeout),
    bootTimeout: millisecondsOf(rollout.bootTimeout),
    onFailure: rollout.onFailure,
  }
}

/** A share is rounded up and at least 1, unless it is 0%. */
export function countOf(value: number | string, size: number): number {
  if (typeof value === 'number') return value
  const percent = Number.parseInt(value, 10)
  return percent === 0 ? 0 : Math.max(1, Math.ceil((size * percent) / 100))
}

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `90s`, `30m`, `5h`, `7d`, `500ms`, as the pool's schema lets them through. */
export function millisecondsOf(duration: string): number {
  const unit = duration.replace(/^[0-9]+/, '') as keyof typeof UNITS
  return Number.parseInt(duration, 10) * UNITS[unit]
}

/** `8GiB` or `512MiB`, as the pool's schema lets them through. */
export function mebibytesOf(size: string): number {
  return Number.parseInt(size, 10) * (size.endsWith('GiB') ? 1024 : 1)
}
