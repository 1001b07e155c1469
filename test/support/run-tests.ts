/**
 * `npm test`: static checks, the demo (whose bundle and images the other tests use again), then every test file as a process of its own.
 * tap's own runner prints no closing line that a CI reads; this ends with `N passed, N failed`.
 *
 *   npm test                      everything
 *   npm test -- PATTERN…          only test files whose path holds one of the words, without the demo unless DRYDOCK_TEST_CONTENT is set
 */
import { spawn } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Parser } from 'tap-parser'
import { ensureApplianceUser } from './appliance-user.ts'
import { keepSaying } from './progress-line.ts'
import { enterReadableCheckout } from './readable-checkout.ts'
import { ensureSystemPackages } from './system-packages.ts'

const CONCURRENCY = 2
const FILE_TIMEOUT_MS = 8 * 60_000
const KEPT_LINES = 160

type Tally = { passed: number; failed: number; skipped: number }
type Running = { name: string; since: number }

const checkout = resolve(import.meta.dirname, '../..')
process.chdir(checkout)
ensureSystemPackages(line => process.stderr.write(`${line}\n`))
ensureApplianceUser()
enterReadableCheckout(checkout, 'test/support/run-tests.ts')

const words = process.argv.slice(2)
const tally: Tally = { passed: 0, failed: 0, skipped: 0 }
const running = new Set<Running>()
const started = Date.now()
const progress = keepSaying(4, () => {
  const now = [...running].map(one => `${one.name} ${Math.round((Date.now() - one.since) / 1000)} s`).join(', ')
  return `… ${Math.round((Date.now() - started) / 1000)} s · ${tally.passed} passed, ${tally.failed} failed · running ${now}`
})

const content = process.env['DRYDOCK_TEST_CONTENT'] ?? mkdtempSync(join(tmpdir(), 'drydock-content-'))
const ownContent = process.env['DRYDOCK_TEST_CONTENT'] === undefined
try {
  await check('generated client', ['node', 'ui/client/generate.ts'])
  await check('console builds', ['vite', 'build', '--logLevel', 'warn', 'ui/app'])
  if (words.length === 0) {
    await check('types', ['tsc', '--noEmit', '-p', '.'])
    await check('types of the console', ['tsc', '--noEmit', '-p', 'ui/app'])
    await check('lint', ['oxlint', '--type-aware', '--deny-warnings'])
    if (ownContent) await check('demo --exit', ['node', 'test/demo/demo.ts', '--exit', '--data', content], { shown: true })
  }
  const files = globSync('test/**/*.test.ts').filter(file => words.length === 0 || words.some(word => file.includes(word))).toSorted()
  const environment = words.length === 0 || !ownContent ? { DRYDOCK_TEST_CONTENT: content } : {}
  const queue = files.values()
  await Promise.all(Array.from({ length: CONCURRENCY }, async () => {
    for (const file of queue) await runFile(file, environment)
  }))
} finally {
  progress.stop()
  if (ownContent) rmSync(content, { recursive: true, force: true })
}
process.stdout.write(`${tally.passed} passed, ${tally.failed} failed${tally.skipped === 0 ? '' : `, ${tally.skipped} skipped`}\n`)
process.exitCode = tally.failed === 0 && tally.passed > 0 ? 0 : 1

/** A command that must succeed counts as one test. */
async function check(name: string, command: readonly string[], options: { shown?: boolean } = {}): Promise<void> {
  const run = await runProcess(name, command, {}, line => {
    if (options.shown === true) process.stderr.write(`${line}\n`)
  }, 20 * 60_000)
  report(name, run.code === 0, run.seconds, run.code === 0 ? [] : run.tail)
}

async function runFile(file: string, environment: Record<string, string>): Promise<void> {
  const parser = new Parser()
  let failed = 0
  let passed = 0
  const faults: string[] = []
  parser.on('assert', result => {
    if (result.skip !== false || result.todo !== false) tally.skipped++
    else if (result.ok) passed++
    else {
      failed++
      faults.push(`  not ok ${result.fullname}`)
    }
  })
  const run = await runProcess(file, ['node', file], environment, line => parser.write(`${line}\n`), FILE_TIMEOUT_MS)
  const end = Promise.withResolvers<boolean>()
  parser.on('complete', results => end.resolve(results.ok))
  parser.end()
  const ok = (await end.promise) && run.code === 0
  tally.passed += passed
  tally.failed += failed
  if (!ok && failed === 0) tally.failed++
  const line = `${ok ? 'ok' : 'NOT OK'}  ${file}  ${passed} passed${failed === 0 ? '' : `, ${failed} failed`}  ${run.seconds.toFixed(1)} s`
  process.stdout.write(`${line}\n`)
  if (!ok) process.stdout.write([...faults, ...run.tail.map(text => `    ${text}`)].join('\n') + '\n')
}

function report(name: string, ok: boolean, seconds: number, tail: readonly string[]): void {
  if (ok) tally.passed++
  else tally.failed++
  process.stdout.write(`${ok ? 'ok' : 'NOT OK'}  ${name}  ${seconds.toFixed(1)} s\n${tail.map(line => `    ${line}\n`).join('')}`)
}

/** Runs in a process group of its own, so that a time-out leaves nothing behind. */
async function runProcess(name: string, command: readonly string[], environment: Record<string, string>, onLine: (line: string) => void, timeout: number): Promise<{ code: number | null; seconds: number; tail: string[] }> {
  const one = { name, since: Date.now() }
  running.add(one)
  const program = existsSync(`node_modules/.bin/${command[0]}`) ? resolve(`node_modules/.bin/${command[0]}`) : command[0]!
  const child = spawn(program, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env: { ...process.env, ...environment } })
  const stopAll = (): void => {
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch {
      // The group has ended.
    }
  }
  process.once('exit', stopAll)
  const timer = setTimeout(stopAll, timeout)
  const tail: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ''
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        tail.push(line)
        if (tail.length > KEPT_LINES) tail.shift()
        if (stream === child.stdout || command[0] !== 'node' || command[1]?.endsWith('.test.ts') !== true) onLine(line)
      }
    })
  }
  const code = await new Promise<number | null>(resolvePromise => child.on('close', resolvePromise))
  clearTimeout(timer)
  process.removeListener('exit', stopAll)
  running.delete(one)
  return { code, seconds: (Date.now() - one.since) / 1000, tail }
}
