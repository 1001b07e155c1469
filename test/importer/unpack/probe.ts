/** Runs inside the confinement and tries to get out. Prints what came of each attempt as one JSON object. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, linkSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { createSocket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import { Worker } from 'node:worker_threads'

const results: Record<string, string> = {}

/** Node throws some refusals from a later turn, where no promise of the attempt can catch them. */
let uncaught: (failure: unknown) => void = () => undefined
process.on('uncaughtException', failure => uncaught(failure))

async function attempt(name: string, act: () => unknown): Promise<void> {
  const { promise: thrownLater, reject } = Promise.withResolvers<never>()
  uncaught = reject
  try {
    const value = await Promise.race([Promise.try(act), thrownLater])
    results[name] = `did: ${JSON.stringify(value) ?? 'nothing'}`.slice(0, 200)
  } catch (failure) {
    results[name] = failure instanceof Error && 'code' in failure ? String(failure.code) : String(failure)
  }
}

await attempt('read /etc/passwd', () => readFileSync('/etc/passwd', 'utf8').length)
await attempt('read /proc', () => readdirSync('/proc'))
await attempt('list /', () => readdirSync('/').toSorted())
await attempt('write its code', () => writeFileSync('/code/importer/unpack/inside.ts', ''))
await attempt('write the root', () => writeFileSync('/escaped', 'x'))
await attempt('write staging', () => writeFileSync('/staging/probe', 'x'))
await attempt('symbolic link in staging', () => symlinkSync('/etc/passwd', '/staging/link'))
await attempt('hard link in staging', () => linkSync('/staging/probe', '/staging/twin'))
await attempt('home', () => existsSync('/root') || existsSync('/home'))
await attempt('run a shell', () => ranOrThrow(spawnSync('/bin/sh', ['-c', 'true'])))
await attempt('run itself', () => ranOrThrow(spawnSync(process.execPath, ['-e', '0'])))
await attempt('spawn', () => new Promise((resolve, reject) => {
  spawn('/node', ['-v']).on('error', reject).on('spawn', resolve)
}))
await attempt('tcp out', () => new Promise((resolve, reject) => {
  connect(80, '127.0.0.1').on('error', reject).on('connect', resolve)
}))
await attempt('listen', () => new Promise((resolve, reject) => {
  createServer().on('error', reject).listen(0, '127.0.0.1', () => resolve('listening'))
}))
await attempt('udp', () => new Promise((resolve, reject) => {
  createSocket('udp4').on('error', reject).send('x', 9, '127.0.0.1', failure => (failure === null ? resolve('sent') : reject(failure)))
}))
await attempt('unix socket', () => new Promise((resolve, reject) => {
  createServer().on('error', reject).listen('/staging/socket', () => resolve('listening'))
}))
await attempt('interfaces', () => Object.keys(networkInterfaces()))
await attempt('environment', () => Object.keys(process.env).toSorted())
await attempt('worker with its own walls', () => new Promise((resolve, reject) => {
  new Worker("require('fs').readFileSync('/etc/passwd')", { eval: true }).on('error', reject).on('exit', code => resolve(`exit ${code}`))
}))

function ranOrThrow(run: { error?: Error; status: number | null }): string {
  if (run.error !== undefined) throw run.error
  return `exit ${run.status}`
}

process.stdout.write(`${JSON.stringify(results)}\n`, () => process.exit(0))
