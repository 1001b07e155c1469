import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fastify, { type FastifyInstance } from 'fastify'
import { digestOfFile, type Digest } from '../../../appliance/core/digest.ts'
import { runProgram, programEnvironment } from '../../../appliance/core/run-program.ts'
import type { Item } from '../../../bundles/format/item.ts'
import { mirrorFormats } from '../../../mirror/formats.ts'
import type { NpmAuthentication } from '../../../mirror/npm/authentication.ts'
import { startPrivateRegistry } from '../../../mirror/npm/private-registry.ts'
import { mirrorRoutes } from '../../../mirror/routes.ts'
import { openStore, type Store } from '../../../mirror/store/open.ts'
import { openWithdrawn, type Withdrawn } from '../../../mirror/store/withdrawn.ts'
import { releaseSigner } from './release-signer.ts'
import { makeTls } from './tls.ts'

export type TestMirror = {
  url: string
  store: Store
  withdrawn: Withdrawn
  /** A folder for clients and content; gone with the mirror. */
  folder: string
  caFile: string
  keyFile: string
  /** Validates as the scan does, then promotes. */
  promote(operation: string, items: readonly Item[]): Promise<number>
  /** Puts a file into the store without copying it. */
  adopt(path: string): Promise<{ digest: Digest; size: number }>
  /** Flips one byte of a blob on the disk. */
  alter(digest: string): Promise<void>
  curl(...args: string[]): Promise<{ status: number; headers: Map<string, string>; body: Buffer }>
  close(): Promise<void>
}

/** The mirrors on a TLS server of their own, as main puts them together; its CA and keys are made for this run. */
export async function startMirror(options: { authentication?: NpmAuthentication } = {}): Promise<TestMirror> {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-mirror-'))
  const dataDir = join(folder, 'data')
  const port = await freePort()
  const url = `https://localhost:${port}`
  const clock = { now: () => new Date() }
  const [tls, signer] = await Promise.all([makeTls(folder), releaseSigner(folder)])
  const store = await openStore({ dataDir, clock, formats: mirrorFormats({ publicUrl: url, releaseSigner: signer, clock }) })
  const app: FastifyInstance = fastify({ https: { key: tls.key, cert: tls.cert } })
  const { authentication } = options
  const privateNpm = authentication === undefined ? undefined : await startPrivateRegistry({ dataDir, publicUrl: url, authentication })
  const withdrawn = openWithdrawn(store.catalogue, [])
  await app.register(mirrorRoutes({ store, withdrawn, ...(privateNpm === undefined ? {} : { privateNpm }) }))
  await app.listen({ port, host: '127.0.0.1' })

  return {
    url,
    store,
    withdrawn,
    folder,
    caFile: tls.caFile,
    keyFile: signer.keyFile,
    async promote(operation, items) {
      for (const item of items) await store.catalogue.validate(item)
      return (await store.catalogue.promote({ operation, items })).generation
    },
    async adopt(path) {
      const found = await digestOfFile(path)
      await store.blobs.adopt(path, found.digest)
      return found
    },
    alter: digest => alter(store.blobs.blobPath(digest as Digest)),
    async curl(...args) {
      const { stdout } = await runProgram('curl', { args: ['--silent', '--include', '--http1.1', '--path-as-is', '--cacert', tls.caFile, ...args] })
      return parseAnswer(stdout)
    },
    async close() {
      await app.close()
      store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function alter(path: string): Promise<void> {
  const { open, chmod, stat } = await import('node:fs/promises')
  await chmod(path, 0o640)
  const handle = await open(path, 'r+')
  const at = Math.floor((await stat(path)).size / 2)
  const byte = Buffer.alloc(1)
  await handle.read(byte, 0, 1, at)
  await handle.write(Buffer.from([byte[0]! ^ 1]), 0, 1, at)
  await handle.close()
  await chmod(path, 0o440)
}

function parseAnswer(raw: Buffer): { status: number; headers: Map<string, string>; body: Buffer } {
  const end = raw.indexOf('\r\n\r\n')
  const [first = '', ...lines] = raw.subarray(0, end).toString('latin1').split('\r\n')
  const headers = new Map(lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
  return { status: Number(first.split(' ')[1]), headers, body: raw.subarray(end + 4) }
}

/** A client's environment: nothing of this machine's configuration but the PATH, and a home of its own. */
export function clientEnvironment(home: string, extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  return programEnvironment({ HOME: home, ...extra })
}
