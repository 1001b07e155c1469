import type { CollectProgress } from '../../../bundles/collect/progress.ts'
import type { BuildProgress } from '../../../bundles/build/index.ts'
import { byteText, durationText, type Bar } from '../../cli/output.ts'
import { startPace } from '../../core/pace.ts'

/** `fetch 34/120 items · 1.2 GB of 3.4 GB · 45 MB/s`; the bar is drawn by bytes where all are known, else by items. */
export function collectBar({ phase, done, total, bytes, totalBytes, bytesPerSecond, etaSeconds }: CollectProgress): Bar {
  return {
    phase, done, total, unit: 'items', etaSeconds, bytes, totalBytes, bytesPerSecond,
    words: `${phase} ${done}/${total} items · ${byteText(bytes)}${totalBytes === null || totalBytes === bytes ? '' : ` of ${byteText(totalBytes)}`}${pacing(bytesPerSecond, etaSeconds)}`,
  }
}

/** A bar for each phase of a build, with its own speed: reading and compressing goes otherwise than writing to a stick. */
export function buildBars(now?: () => number): (progress: BuildProgress) => Bar {
  let phase = ''
  let pace = startPace(now)
  return progress => {
    if (progress.phase !== phase) pace = startPace(now)
    phase = progress.phase
    pace.saw(progress.done)
    const speed = pace.perSecond()
    const bytesPerSecond = speed === undefined ? null : Math.round(speed)
    const etaSeconds = pace.secondsFor(progress.total - progress.done)
    return { ...progress, unit: 'bytes', bytesPerSecond, etaSeconds, words: `${phase} ${byteText(progress.done)} of ${byteText(progress.total)}${pacing(bytesPerSecond, etaSeconds)}` }
  }
}

function pacing(bytesPerSecond: number | null, etaSeconds: number | null): string {
  return `${bytesPerSecond === null || bytesPerSecond === 0 ? '' : ` · ${byteText(bytesPerSecond)}/s`}${etaSeconds === null || etaSeconds === 0 ? '' : ` · ETA ${durationText(etaSeconds)}`}`
}
