import { open, readdir } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Schema } from '../../ui/client/client.ts'
import { DrydockError, isErrno } from '../core/error.ts'
import { errorFrom, unreachable, type Appliance } from './appliance.ts'
import type { Output } from './output.ts'

const READ_BYTES = 1024 * 1024
const TELL_EVERY_MS = 200
const NAMES_TOLD = 4

/** Streams a bundle to the appliance, whose user cannot read ours. The file is read once. @returns the import's operation */
export async function uploadBundle(appliance: Appliance, path: string, output: Output): Promise<Schema<'Operation'>> {
  const file = await openBundle(path)
  const stop = new AbortController()
  // Kept alive, so that a server that refuses early reads on and throws away: one that closed would reset the connection and its answer with it.
  const agent = new Agent({ keepAlive: true })
  try {
    const { size } = await file.stat()
    const { promise: answered, resolve, reject } = Promise.withResolvers<Schema<'Operation'>>()
    const call = request(`${appliance.url}/api/v1/imports`, {
      method: 'POST', ca: appliance.ca, agent, signal: stop.signal,
      headers: {
        authorization: `Bearer ${appliance.token}`, 'content-type': 'application/octet-stream', 'content-length': size,
        'x-file-name': encodeURIComponent(basename(path)), 'idempotency-key': crypto.randomUUID(),
      },
    })
    call.on('error', reject)
    call.on('response', response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const body = parse(Buffer.concat(chunks).toString('utf8'))
        if (response.statusCode === 202) resolve(body as Schema<'Operation'>)
        else reject(errorFrom(body, response.statusCode ?? 0))
      })
    })
    const sending = pipeline(file.createReadStream({ highWaterMark: READ_BYTES, autoClose: false }), progressOf(size, output), call)
    // A refusal (no space, no right) comes before the end of the file and breaks the pipe: the answer says why, the pipe does not.
    return await Promise.race([answered, sending.then(() => answered, () => answeredSoon(answered, sending))])
  } catch (failure) {
    throw unreachable(appliance.url, failure)
  } finally {
    output.done()
    // A refusal ends the sending too.
    stop.abort()
    agent.destroy()
    await file.close()
  }
}

const LAST_WORD_MS = 2000

async function answeredSoon<T>(answered: Promise<T>, sending: Promise<void>): Promise<T> {
  const late = new Promise<T>((_resolve, reject) => {
    setTimeout(() => void sending.catch(reject), LAST_WORD_MS).unref()
  })
  return await Promise.race([answered, late])
}

function progressOf(total: number, output: Output) {
  return async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const began = Date.now()
    let done = 0
    let told = 0
    for await (const chunk of source) {
      yield chunk
      done += chunk.length
      if (Date.now() - told < TELL_EVERY_MS && done < total) continue
      told = Date.now()
      const seconds = (told - began) / 1000
      output.progress({ phase: 'send', done, total, unit: 'bytes', etaSeconds: seconds < 1 ? null : Math.ceil((seconds / done) * (total - done)) })
    }
  }
}

async function openBundle(path: string) {
  try {
    const file = await open(path, 'r')
    if ((await file.stat()).isFile()) return file
    await file.close()
  } catch (cause) {
    const why = isErrno(cause, 'ENOENT') ? 'none' : isErrno(cause, 'EACCES') ? 'one that you may not read' : 'something that cannot be opened'
    const beside = why === 'none' ? await bundlesIn(dirname(path)) : undefined
    throw new DrydockError('DD-CLI-002', `expected a bundle at ${path}, found ${why}`, `${beside === undefined ? 'name a .drydock file' : `${dirname(path)} holds ${beside}`}; for one on the appliance itself add --on-appliance`, { cause })
  }
  const inside = await bundlesIn(path)
  throw new DrydockError('DD-CLI-002', `expected a bundle at ${path}, found something that is no plain file`, inside === undefined ? 'name a .drydock file' : `it holds ${inside}: name the volumes of one bundle, like ${join(path, 'NAME-SEQUENCE.*.drydock')}`)
}

/** The first bundle files of a folder, in words. */
async function bundlesIn(folder: string): Promise<string | undefined> {
  const names = (await readdir(folder).catch(() => [])).filter(name => name.endsWith('.drydock')).toSorted()
  const more = names.length - NAMES_TOLD
  return names.length === 0 ? undefined : `${names.slice(0, NAMES_TOLD).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
