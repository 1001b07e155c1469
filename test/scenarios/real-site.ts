import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import type { Test } from 'tap'
import { parse } from 'yaml'
import { ERRORS, type ErrorCode } from '../../appliance/core/errors/table.ts'
import { digestOf, hexOf } from '../../appliance/core/digest.ts'
import { itemKey, type Item } from '../../bundles/format/item.ts'
import { freePort } from '../appliance/main/site.ts'
import { LAUNCHER, runDrydock, type Run } from '../appliance/cli/run-drydock.ts'
import { fileItems } from '../support/bundles.ts'

/** Who may do what here: the same four that the demo has. The one who brings a bundle is never the one who approves it. */
export const ROLES = { olga: 'operator', paul: 'approver', vera: 'viewer' } as const
export const PASSWORD = 'a password of this test'

/** Keys, a trust file that wants both, and where the appliance is to be; everything made by the product's own verbs. */
export class RealSite {
  readonly folder: string
  readonly data: string
  readonly marks: string
  readonly media: string
  readonly trust: string
  readonly keys: { ana: string; jon: string }
  url = ''
  initFlags: string[] = []
  flags: string[] = []
  #up: ChildProcess | null = null
  #caSha256 = ''
  #adminPassword = ''
  #built = 0

  /** @param data and marks: where they are to lie, when not in the site's own folder. */
  constructor(t: Pick<Test, 'teardown'>, data?: string, marks?: string) {
    this.folder = mkdtempSync(join(tmpdir(), 'drydock-real-'))
    this.data = data ?? join(this.folder, 'data')
    this.marks = marks ?? join(this.folder, 'marks')
    this.media = join(this.folder, 'media')
    this.trust = join(this.folder, 'trust.json')
    this.keys = { ana: join(this.folder, 'keys/ana-ruiz.key'), jon: join(this.folder, 'keys/jon-berg.key') }
    mkdirSync(this.media)
    t.teardown(async () => {
      await this.down()
      rmSync(this.folder, { recursive: true, force: true })
    })
  }

  /** `drydock …` as that person, with credentials of their own. */
  async drydock(person: string, args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
    return await runDrydock(args, { env: { DRYDOCK_CREDENTIALS: join(this.folder, 'people', `${person}.json`), ...env } })
  }

  /** The same where it must succeed. */
  async must(person: string, args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
    const run = await this.drydock(person, args, env)
    if (run.code !== 0) throw new Error(`drydock ${args.join(' ')}: exit ${run.code}\n${run.out}${run.err}`)
    return run
  }

  async plan(): Promise<void> {
    const keys = join(this.folder, 'keys')
    await Promise.all(['Ana Ruiz', 'Jon Berg'].map(name => this.must('ana', ['key', 'new', '--name', name, '--out', keys])))
    const pub = [join(keys, 'ana-ruiz.pub'), join(keys, 'jon-berg.pub')]
    await this.must('ana', ['trust', 'new', '--root', ...pub, '--release', ...pub, '--threshold', 'root=2', 'release=2', '--out', this.trust])
    const [port, agents] = [await freePort(), await freePort()]
    this.url = `https://localhost:${port}`
    this.flags = ['--data', this.data, '--marks', this.marks]
    this.initFlags = ['--site', 'site-a', '--public-url', this.url, '--listen', `127.0.0.1:${port}`, '--agent-listen', `127.0.0.1:${agents}`, '--media-root', this.media]
  }

  /** @param trust another site's, whose bundles this one is to take */
  async init({ trust } = { trust: this.trust }): Promise<void> {
    const sha256 = hexOf(digestOf(readFileSync(trust)))
    const run = await this.must('admin', ['init', ...this.flags, ...this.initFlags, '--trust', trust, '--trust-sha256', sha256, '--json'])
    const made = run.records().find(record => record['type'] === 'init') as { caSha256: string; admin: { oneTimePassword: string } }
    this.#caSha256 = made.caSha256
    this.#adminPassword = made.admin.oneTimePassword
  }

  /** Starts `up` as a process of its own; returns when both ports answer. @throws when it ends before. */
  async up(): Promise<void> {
    const child = spawn(LAUNCHER, ['up', ...this.flags, '--log-level', 'error'], { env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent' }, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#up = child
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString('utf8')).slice(-4000)))
    for await (const line of createInterface({ input: child.stdout })) if (line.startsWith('console')) return void child.stdout.resume()
    throw new Error(`up ended before it answered: ${said}`)
  }

  /** Of `up`, while it runs: the launcher becomes it. */
  get pid(): number | undefined {
    return this.#up?.pid
  }

  async down(): Promise<void> {
    const child = this.#up
    this.#up = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  }

  /** The admin's own password, then a person for each role, all signed in. */
  async people(): Promise<void> {
    await this.login('admin', this.#adminPassword, PASSWORD)
    const oneTime: Record<string, string> = {}
    for (const [name, role] of Object.entries(ROLES)) oneTime[name] = String((await this.must('admin', ['user', 'add', name, '--role', role, '--json'])).records()[0]?.['oneTimePassword'])
    await Promise.all(Object.keys(ROLES).map(name => this.login(name, oneTime[name] ?? '', PASSWORD)))
  }

  async login(user: string, password: string, next: string): Promise<void> {
    await this.must(user, this.loginArgs(user), { DRYDOCK_PASSWORD: password, DRYDOCK_NEW_PASSWORD: next })
  }

  loginArgs(user: string): string[] {
    return ['login', this.url, '--ca-sha256', this.#caSha256, '--user', user]
  }

  /** Planned, initialised, up, with everybody signed in. */
  static async open(t: Pick<Test, 'teardown'>, data?: string): Promise<RealSite> {
    const site = new RealSite(t, data)
    await site.plan()
    await site.init()
    await site.up()
    await site.people()
    return site
  }

  /** A workspace as `bundle collect` leaves it: the product's role packs, and files. Every bundle is built from one of its own under a stream of its own. */
  workspace(files: Record<string, string | Uint8Array> = { 'hello.txt': 'hello\n', 'docs/second.txt': 'a second file\n' }): { folder: string; stream: string } {
    const stream = `stream-${++this.#built}`
    const folder = join(this.folder, stream)
    const blobs = join(folder, 'blobs')
    mkdirSync(blobs, { recursive: true })
    const items = [...packs(blobs), ...fileItems(blobs, files)].toSorted((a, b) => (itemKey(a) < itemKey(b) ? -1 : 1))
    writeFileSync(join(folder, 'lock.json'), JSON.stringify({ format: 'drydock-collection-lock/1', name: stream, created: '2026-01-01T00:00:00Z', items }))
    return { folder, stream }
  }

  /** Built and signed by `bundle build`. @returns the file, under the media root. */
  async bundle(options: { signers?: readonly string[]; files?: Record<string, string | Uint8Array>; more?: readonly string[] } = {}): Promise<string> {
    const { folder } = this.workspace(options.files)
    const signers = options.signers ?? [this.keys.ana, this.keys.jon]
    const run = await this.must('ana', ['bundle', 'build', folder, '--site', 'site-a', '--out', this.media, ...(signers.length === 0 ? [] : ['--key', ...signers]), ...(options.more ?? []), '--json'])
    return String(run.records().find(record => record['type'] === 'bundle')?.['file'])
  }

  /** A good bundle goes all the way: preflight, approval by another person, served. */
  async imports(t: Test, path?: string): Promise<void> {
    const run = await this.drydock('olga', ['import', 'run', path ?? (await this.bundle()), '--yes', '--json'])
    const waiting = run.records().find(record => record['type'] === 'waiting') as { import?: { id: string } } | undefined
    t.equal(run.code, 4, `the next good bundle waits for an approver ${run.err}`)
    t.match(await this.drydock('paul', ['import', 'approve', waiting?.import?.id ?? 'none']), { code: 0, out: /imported: sequence 1 is served as generation/ }, 'and comes in')
  }

  /** What people decided, what the mirrors serve, what may come in again, and which files there are; the record of what was tried is not part of it. */
  fingerprint(): { desired: string; generation: number; marks: string; files: string[] } {
    return { desired: hash(join(this.data, 'state/desired.json')), generation: this.generation(), marks: hash(join(this.marks, 'marks.json')), files: filesIn(this.data) }
  }

  generation(): number {
    const catalogue = new DatabaseSync(join(this.data, 'db/catalogue.sqlite'), { readOnly: true })
    try {
      return Number(catalogue.prepare('SELECT max(generation) AS newest FROM generations').get()?.['newest'] ?? 0)
    } finally {
      catalogue.close()
    }
  }
}

const hash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

/** Names and sizes. db/ grows with every request (audit, operations), and reserve comes and goes with the space. */
export function filesIn(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  return files.map(path => ({ path: path.slice(folder.length + 1), size: statSync(path).size })).filter(({ path }) => !path.startsWith('db/') && path !== 'reserve').map(({ path, size }) => `${path} ${size}`).toSorted()
}

function packs(blobs: string): Item[] {
  return ['debian-12', 'python-3.11', 'numpy-1.25.2', 'numpy-1.26.0', 'cmake'].map(name => {
    const bytes = readFileSync(join(import.meta.dirname, '../../bundles/roles', `${name}.yaml`))
    const { role, base, version } = parse(bytes.toString()) as { role?: string; base?: string; version: string }
    const digest = digestOf(bytes)
    writeFileSync(join(blobs, hexOf(digest)), bytes)
    return { kind: 'role', name: role ?? base ?? '', version, metadata: {}, blobs: [{ name: 'pack', digest, size: bytes.length }], source: `pkg:generic/${name}` }
  })
}

/**
 * What design/console.md asks of every refusal: one line of what was expected and found, one line of what to do with the code, the exit code
 * of the table, no word on standard output that a program could take for an answer, and no stack trace. `--json` tells the same.
 */
export async function refusal(t: Test, run: (more: string[]) => Promise<Run>, code: ErrorCode, says: RegExp, options: { output?: RegExp } = {}): Promise<void> {
  const plain = await run([])
  const lines = plain.err.trimEnd().split('\n').filter(line => !/^(send|stage|scan|verify|take in|write) /.test(line))
  t.equal(plain.code, ERRORS[code].exit, `${code}: exit code`)
  t.equal(lines.length, 2, `${code}: two lines\n${plain.err}`)
  t.match(lines[0], /^(refused|failed|waiting): expected .+, found .+$/, `${code}: what was expected and found`)
  t.match(lines[0], says, `${code}: in words`)
  t.match(lines[1], new RegExp(`^do: .+ {6}${code}$`), `${code}: what to do, and the code`)
  if (options.output === undefined) t.equal(plain.out, '', `${code}: nothing on standard output`)
  else t.match(plain.out, options.output, `${code}: what went before`)
  t.notMatch(plain.err + plain.out, /\n\s+at .+:\d+|node:internal|undefined|\[object/, `${code}: no stack trace`)
  t.comment(lines.join('\n'))
  if (toldAsRecords.has(code)) return
  toldAsRecords.add(code)
  const told = await run(['--json'])
  const error = JSON.parse(told.err.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>
  t.match(error, { type: 'error', code, exit: ERRORS[code].exit, message: says, hint: /./ }, `${code}: the same with --json`)
  t.equal(told.code, plain.code)
  for (const line of told.out.trimEnd().split('\n').filter(Boolean)) t.ok(JSON.parse(line), `${code}: only records on standard output`)
}

/** One process writes `--json` the same way for every code; once for each code is enough. */
const toldAsRecords = new Set<ErrorCode>()

/** Every name under a folder with the hash of its bytes; what SQLite keeps beside its files comes and goes. */
export function treeOf(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).map(entry => ({ entry, path: join(entry.parentPath, entry.name) }))
  return entries.filter(({ path }) => !/-(wal|shm|journal)$/.test(path)).map(({ entry, path }) => `${path.slice(folder.length + 1)} ${entry.isFile() ? hash(path) : ''}`).toSorted()
}
