import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Step, Wait } from '../../../appliance/model/plan.ts'
import type { StepResult } from '../../../appliance/execute/execute-plan.ts'
import { passes } from './pass.ts'
import type { World } from './world.ts'

const FOLDER = new URL('stories/', import.meta.url)

/**
 * A story: what the loop did pass by pass, as lines that are committed and compared. `DRYDOCK_RETELL=1` writes them anew.
 * Passes in which nothing new happens and nobody waits for something else are left out.
 */
export function story(world: World, pool: string) {
  const lines: string[] = []
  let pass = passes(world)
  let told = ''
  let events = 0

  async function turn(): Promise<StepResult[]> {
    const { made, results } = await pass(pool)
    const { ready, new: fresh, old, draining, size } = made.counts
    const steps = results.map(result => `  ${line(result.step)}${result.outcome === 'failed' ? ` ✗ ${result.error.message}` : result.outcome === 'not-yet' ? ` … ${result.on}` : ''}`).toSorted()
    const waits = made.waits.map(wait => `  ${wait.node ?? 'the pool'} waits: ${wait.on}`).toSorted()
    const news = world.events.slice(events).map(event => `  · ${event.type} ${Object.entries(event.fields).map(([name, value]) => `${name}=${String(value)}`).join(' ')}`)
    events = world.events.length
    const still = JSON.stringify([steps, made.waits.map(withoutTimes)])
    if (still !== told || news.length > 0) {
      lines.push(`${world.clock.now().toISOString().slice(11, 19)}  ${fresh}/${size} new · ${draining} draining · ${old} old · ${ready} ready`, ...steps, ...waits, ...news)
    }
    told = still
    return results
  }

  return {
    say: (words: string) => void lines.push('', `# ${words}`),
    turn,
    /** The process ends and starts: what was only in memory is gone. */
    restart() {
      world.deps.enrolments.clear()
      pass = passes(world)
    },
    /** Passes, with 5 s between those that do nothing, until it holds. */
    async until(holds: () => boolean, mostSeconds = 3600): Promise<void> {
      const end = world.clock.now().getTime() + mostSeconds * 1000
      while (!holds()) {
        if (world.clock.now().getTime() > end) {
          lines.push('GAVE UP')
          return
        }
        const results = await turn()
        if (results.every(result => result.outcome !== 'done')) world.tick(5000)
      }
      await turn()
    },
    async for(seconds: number): Promise<void> {
      const end = world.clock.now().getTime() + seconds * 1000
      while (world.clock.now().getTime() < end) {
        const results = await turn()
        if (results.every(result => result.outcome !== 'done')) world.tick(5000)
      }
    },
    /** @returns what was told and what is committed under this name. */
    end(name: string): { told: string; committed: string } {
      const text = `${lines.join('\n').trim()}\n`
      const file = new URL(`${name}.txt`, FOLDER)
      mkdirSync(FOLDER, { recursive: true })
      if (process.env['DRYDOCK_RETELL'] === '1') writeFileSync(file, text)
      return { told: text, committed: existsSync(file) ? readFileSync(file, 'utf8') : '' }
    },
  }
}

function line(step: Step): string {
  const { kind, ...rest } = step
  const facts = Object.entries(rest).flatMap(([name, value]) => (name === 'node' || name === 'ownership' || name === 'image' || value === null ? [] : [name === 'reason' || name === 'failure' ? `(${String(value)})` : String(value)]))
  return [kind, 'node' in step ? step.node : '', ...facts].filter(Boolean).join(' ')
}

function withoutTimes(wait: Wait): string {
  return `${wait.node} ${wait.on.replaceAll(/\d+ (s|min|h)\b/g, 'T')}`
}
