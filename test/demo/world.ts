import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { createServer, type AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { ApplianceUser } from '../support/appliance-user.ts'
import type { Show } from './show.ts'

/** Name of the appliance: hosts, namespaces and guests resolve the same one. */
export const APPLIANCE_NAME = 'drydock.demo'

export type Finished = { code: number | null; stdout: string; stderr: string }

/** Everything the demo has: folders, people, and the processes it started. */
export type World = ReturnType<typeof openWorld>

const checkout = resolve(import.meta.dirname, '../..')

/** The folders of one demo, all under `dir`. `content` is what other tests read afterwards. */
export function openWorld(dir: string, user: ApplianceUser, show: Show) {
  const folders = {
    dir,
    keys: join(dir, 'keys'),
    workspace: join(dir, 'workspace'),
    media: join(dir, 'media'),
    people: join(dir, 'people'),
    data: join(dir, 'data'),
    marks: join(dir, 'marks'),
    ciFolder: join(dir, 'ci'),
    scratch: join(dir, 'scratch'),
  }
  const children: { name: string; child: ChildProcess }[] = []
  const stops: (() => Promise<void>)[] = []
  return {
    ...folders,
    user,
    checkout,
    show,
    stops,
    ports: { https: 0, agents: 0 },
    ciUrl: '',
    ciToken: randomBytes(16).toString('hex'),
    /** A bearer token of the admin, for looking at the API. */
    token: '',
    /** The appliance's own process. */
    up: undefined as ChildProcess | undefined,
    /** A VM that is not ours. */
    foreign: undefined as ChildProcess | undefined,
    facts: {} as Record<string, string>,

    /** Runs `drydock` as a person; what it prints is shown. Fails the demo on another exit code than expected. */
    async drydock(person: string, args: string[], options: { expect?: number; quiet?: boolean; input?: string; env?: Record<string, string> } = {}): Promise<Finished> {
      show.command(`drydock ${args.map(word => (/[\s'"]/.test(word) ? `'${word}'` : word)).join(' ').replaceAll(`${dir}/`, '')}`)
      const finished = await run(join(checkout, 'appliance/main/drydock'), args, {
        env: { ...process.env, ...personEnvironment(folders.people, person), ...options.env },
        onLine: options.quiet === true ? () => undefined : line => show.line(line),
        ...(options.input === undefined ? {} : { input: options.input }),
      })
      if (finished.code !== (options.expect ?? 0)) throw new Error(`expected exit ${options.expect ?? 0} of drydock ${args.slice(0, 2).join(' ')}, found ${finished.code}\n${finished.stderr}`)
      return finished
    },

    /** The same, answered as records. */
    async records<T>(person: string, args: string[]): Promise<T[]> {
      const finished = await run(join(checkout, 'appliance/main/drydock'), [...args, '--json'], { env: { ...process.env, ...personEnvironment(folders.people, person) } })
      if (finished.code !== 0) throw new Error(`drydock ${args.join(' ')} --json: exit ${finished.code}\n${finished.stderr}`)
      return finished.stdout.split('\n').filter(Boolean).map(line => JSON.parse(line) as T)
    },

    /** Runs any program and shows what it prints. */
    async program(program: string, args: string[], options: { expect?: number; quiet?: boolean; env?: NodeJS.ProcessEnv; cwd?: string; asAppliance?: boolean } = {}): Promise<Finished> {
      show.command([program, ...args].join(' ').replaceAll(`${dir}/`, ''))
      const finished = await run(program, args, {
        env: options.env ?? process.env,
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        onLine: options.quiet === true ? () => undefined : line => show.line(line),
      })
      if (finished.code !== (options.expect ?? 0)) throw new Error(`expected exit ${options.expect ?? 0} of ${program}, found ${finished.code}\n${finished.stdout.slice(-2000)}${finished.stderr.slice(-2000)}`)
      return finished
    },

    /** Starts a long-lived process, as the appliance's user when asked; it ends with the demo. */
    start(name: string, program: string, args: string[], options: { asAppliance?: boolean; onLine?: (line: string) => void; env?: NodeJS.ProcessEnv } = {}): ChildProcess {
      const asUser = options.asAppliance === true && process.getuid?.() === 0
      const child = spawn(program, args, {
        stdio: ['ignore', 'pipe', 'pipe'],
        // A process group of its own: a Ctrl-C meant for the demo ends it in the demo's order.
        detached: true,
        ...(asUser ? { uid: user.uid, gid: user.gid } : {}),
        env: { ...(options.env ?? process.env), ...(asUser ? { HOME: user.home, USER: 'drydock', LOGNAME: 'drydock' } : {}) },
      })
      children.push({ name, child })
      for (const stream of [child.stdout, child.stderr]) eachLine(stream, line => options.onLine?.(line))
      return child
    },

    /** A verb on the appliance itself, as its own user; answered as records. */
    async asAppliance(args: string[]): Promise<Record<string, unknown>[]> {
      show.command(`drydock ${args.join(' ').replaceAll(`${dir}/`, '')}`)
      const asUser = process.getuid?.() === 0
      const finished = await run(join(checkout, 'appliance/main/drydock'), [...args, '--json'], { env: applianceEnvironment(user), ...(asUser ? { uid: user.uid, gid: user.gid } : {}) })
      if (finished.code !== 0) throw new Error(`drydock ${args[0]}: exit ${finished.code}\n${finished.stderr}`)
      return finished.stdout.split('\n').filter(Boolean).map(line => JSON.parse(line) as Record<string, unknown>)
    },

    /** GET from the appliance, with its own CA and the admin's token. */
    async text(path: string, headers: Record<string, string> = {}): Promise<string> {
      const answer = await ask({ port: this.ports.https, path, headers: { ...headers, ...(this.token === '' ? {} : { authorization: `Bearer ${this.token}` }) } })
      if (answer.status !== 200) throw new Error(`expected 200 from ${path}, found ${answer.status}: ${answer.body.slice(0, 500)}`)
      return answer.body
    },

    async answers(path: string): Promise<boolean> {
      return (await ask({ port: this.ports.https, path, headers: {} }).catch(() => ({ status: 0 }))).status === 200
    },

    /** The CI server's own API, as its administrator. */
    async ci<T>(method: string, path: string, body?: object): Promise<T> {
      const response = await fetch(`${this.ciUrl}${path}`, { method, headers: { authorization: `Bearer ${this.ciToken}`, 'content-type': 'application/json' }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
      return (await response.json()) as T
    },

    /** Ends what the demo started, last first, by its process id, and waits until it is gone. */
    async end(): Promise<void> {
      for (const stop of stops.toReversed()) await stop().catch(failure => show.line(`while stopping: ${String(failure)}`))
      for (const { child } of children.toReversed()) await endChild(child)
      // VMs outlive the appliance by design; the demo's end with it.
      endProcesses(processesWith('qemu-system', join(folders.data, 'images')).map(({ pid }) => pid))
    },
  }
}

function endProcesses(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise(done => child.once('exit', done))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
  await gone
  clearTimeout(timer)
}

/** Makes the folders; those of the appliance belong to its user. */
export function makeFolders(world: World): void {
  for (const folder of [world.dir, world.keys, world.workspace, world.media, world.people, world.scratch, world.ciFolder]) mkdirSync(folder, { recursive: true, mode: 0o755 })
  // --data may name a folder that is closed to others; the appliance's user must get through it.
  chmodSync(world.dir, 0o755)
  for (const folder of [world.data, world.marks]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (process.getuid?.() === 0) chownSync(folder, world.user.uid, world.user.gid)
  }
}

function applianceEnvironment(user: ApplianceUser): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HOME: user.home, USER: 'drydock', LOGNAME: 'drydock', NO_COLOR: '1' }
}

async function ask({ port, path, headers }: { port: number; path: string; headers: Record<string, string> }): Promise<{ status: number; body: string }> {
  return await new Promise((done, fail) => {
    // Everything that is checked here is checked again by real clients with the appliance's CA.
    const asking = request({ host: '127.0.0.1', port, path, headers, rejectUnauthorized: false, timeout: 10_000 }, response => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => (body += text))
      response.on('end', () => done({ status: response.statusCode ?? 0, body }))
    })
    asking.on('error', fail)
    asking.on('timeout', () => asking.destroy(new Error('no answer in 10 s')))
    asking.end()
  })
}

function personEnvironment(people: string, person: string): Record<string, string> {
  const home = join(people, person)
  mkdirSync(home, { recursive: true, mode: 0o700 })
  return { XDG_CONFIG_HOME: home, NO_COLOR: '1' }
}

type RunOptions = { env: NodeJS.ProcessEnv; uid?: number; gid?: number; cwd?: string; input?: string; onLine?: (line: string) => void }

async function run(program: string, args: string[], options: RunOptions): Promise<Finished> {
  const child = spawn(program, args, { env: options.env, ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.gid }), ...(options.cwd === undefined ? {} : { cwd: options.cwd }), stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input)
  let stdout = ''
  let stderr = ''
  eachLine(child.stdout, line => {
    stdout += `${line}\n`
    options.onLine?.(line)
  })
  eachLine(child.stderr, line => {
    stderr += `${line}\n`
    options.onLine?.(line)
  })
  const code = await new Promise<number | null>((done, fail) => child.once('error', fail).once('close', done))
  return { code, stdout, stderr }
}

function eachLine(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) take(line)
  })
  stream.on('end', () => {
    if (rest !== '') take(rest)
  })
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  await new Promise(done => server.close(done))
  return port
}

/** Asks until the answer is not undefined; says what it waited for when the time is over. */
export async function until<T>(what: string, seconds: number, ask: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() > end) throw new Error(`expected ${what} within ${seconds} s, found it not so`)
    await pause(250)
  }
}

/** The most memory that a process has held, in MiB (VmHWM of proc(5)). */
export function peakMemory(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Math.round(Number(kib ?? 0) / 1024)
}

/** Processes whose command line holds all the words; for showing what really runs. */
export function processesWith(...words: string[]): { pid: number; line: string }[] {
  const found: { pid: number; line: string }[] = []
  for (const pid of processIds()) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      if (words.every(word => line.includes(word))) found.push({ pid, line })
    } catch {
      // It ended while we looked.
    }
  }
  return found
}

function processIds(): number[] {
  return readdirSync('/proc').map(Number).filter(pid => Number.isInteger(pid) && pid > 0)
}

/** What an earlier demo left, told by its marker, is ended and removed; anything else is left alone. */
export function clearEarlier(dir: string): void {
  const marker = join(dir, '.drydock-demo')
  if (existsSync(marker)) {
    endProcesses(processesWith(`${dir}/`).map(({ pid }) => pid).filter(pid => pid !== process.pid && pid !== process.ppid))
    rmSync(dir, { recursive: true, force: true })
  }
  mkdirSync(dir, { recursive: true, mode: 0o755 })
  if (readdirSync(dir).length > 0) {
    process.stderr.write(`expected ${dir} to be empty or an earlier demo's, found other files in it\ndo: name another folder with --data\n`)
    process.exit(2)
  }
  writeFileSync(marker, 'made by npm run demo; removed by the next one\n')
}
