/** What the demo prints: for people, or one JSON object a line. Something is said at least every QUIET_MS. */
export type Show = {
  step(number: number, title: string): void
  command(line: string): void
  line(text: string): void
  /** A fact for the table at the end. */
  fact(name: string, value: string): void
  /** Ends the step that runs, for its time. */
  endStep(): void
  table(): void
  readonly phases: readonly { step: number; title: string; seconds: number }[]
  close(): void
}

const QUIET_MS = 4000

export function openShow(json: boolean): Show {
  const started = Date.now()
  const phases: { step: number; title: string; seconds: number }[] = []
  const facts: [string, string][] = []
  let running: { step: number; title: string; since: number } | null = null
  let lastLine = Date.now()
  const print = (text: string, record: object): void => {
    lastLine = Date.now()
    process.stdout.write(json ? `${JSON.stringify({ at: new Date().toISOString(), ...record })}\n` : `${text}\n`)
  }
  const timer = setInterval(() => {
    if (Date.now() - lastLine < QUIET_MS) return
    const what = running === null ? 'working' : `step ${running.step}, ${running.title}: ${Math.round((Date.now() - running.since) / 1000)} s`
    print(`  … ${what}`, { type: 'progress', text: what })
  }, 500)
  return {
    phases,
    step(number, title) {
      running = { step: number, title, since: Date.now() }
      print(`\n== ${number}. ${title}`, { type: 'step', step: number, title })
    },
    command(line) {
      print(`$ ${line}`, { type: 'command', line })
    },
    line(text) {
      print(`  ${text}`, { type: 'line', text })
    },
    fact(name, value) {
      facts.push([name, value])
      if (json) print('', { type: 'fact', name, value })
    },
    endStep() {
      if (running === null) return
      const seconds = (Date.now() - running.since) / 1000
      phases.push({ step: running.step, title: running.title, seconds })
      print(`  done in ${seconds.toFixed(1)} s`, { type: 'step-done', step: running.step, seconds })
      running = null
    },
    table() {
      const width = Math.max(...phases.map(phase => phase.title.length + 3), ...facts.map(([name]) => name.length))
      for (const phase of phases) print(`  ${`${phase.step}. ${phase.title}`.padEnd(width)}  ${phase.seconds.toFixed(1).padStart(7)} s`, { type: 'phase', ...phase })
      print(`  ${'all of it'.padEnd(width)}  ${((Date.now() - started) / 1000).toFixed(1).padStart(7)} s`, { type: 'phase', title: 'all of it', seconds: (Date.now() - started) / 1000 })
      if (!json) for (const [name, value] of facts) print(`  ${name.padEnd(width)}  ${value}`, {})
    },
    close() {
      clearInterval(timer)
    },
  }
}
