import { readFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import { DrydockError } from '../../../appliance/core/error.ts'
import { DOCUMENT_BYTES, PARALLEL_DOWNLOADS, REDIRECTS, SILENCE_MS } from '../limits.ts'
import { NetworkFault, withRetries } from './retry.ts'

/** How one registry is to be spoken to, as its client's own configuration says. */
export type HttpSettings = {
  /** PEM certificates that replace the usual roots, as npm's and pip's cafile do. */
  ca?: string
  /** `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`. */
  proxy?: Record<string, string | undefined>
  /** Headers for one address. Asked again after a redirect, so that credentials never follow to another host. */
  headersFor?: (url: URL) => Record<string, string>
  /** What a 401 asks for (WWW-Authenticate). True when the headers for this address are other ones now, so that asking again makes sense. */
  challenged?: (url: URL, challenge: string, signal: AbortSignal) => Promise<boolean>
}

/** For addresses that belong to no client: the proxies and roots of the environment, as curl takes them, and no credentials. */
export async function environmentSettings(environment: NodeJS.ProcessEnv): Promise<HttpSettings> {
  const proxy = (name: string) => environment[name.toUpperCase()] ?? environment[name]
  const roots = environment['CURL_CA_BUNDLE'] ?? environment['SSL_CERT_FILE']
  const ca = roots === undefined ? undefined : await readFile(roots, 'utf8').catch(() => undefined)
  return { ...(ca === undefined ? {} : { ca }), proxy: { HTTP_PROXY: proxy('http_proxy'), HTTPS_PROXY: proxy('https_proxy'), NO_PROXY: proxy('no_proxy') } }
}

/** What is wanted of a body: from this byte on, as long as it is of the answer with that strong ETag. */
export type Part = { from: number; etag: string | undefined }
export type Download = {
  url: string
  what: string
  accept?: string
  signal: AbortSignal
  /** Asked before each try; undefined for the whole body. */
  part?: () => Part | undefined
  /** Asked after each fault: whether so much came that the tries are counted anew. */
  advanced?: () => boolean
}

export interface HttpClient {
  /**
   * Gives the body of a 200 answer to `use`, which must read it to its end; tries again on network faults. `from` is the byte where the body
   * begins: 0, or that of the part that was asked for.
   * @throws DD-COLLECT-005 when the registry cannot be reached, DD-COLLECT-006 when it says 404 or 410.
   */
  read<T>(download: Download, use: (body: AsyncIterable<Buffer>, headers: http.IncomingHttpHeaders, from: number) => Promise<T>): Promise<T>
  /** A small document, whole. */
  document(download: Download): Promise<Buffer>
  close(): void
}

export function openHttp(settings: HttpSettings): HttpClient {
  const shared = { keepAlive: true, maxSockets: PARALLEL_DOWNLOADS, ...(settings.proxy === undefined ? {} : { proxyEnv: settings.proxy }) }
  const plain = new http.Agent(shared)
  const secure = new https.Agent({ ...shared, ...(settings.ca === undefined ? {} : { ca: settings.ca }) })

  async function answer(download: Download): Promise<{ response: http.IncomingMessage; from: number }> {
    let url = new URL(download.url)
    let challenged = false
    let part = download.part?.()
    for (let hop = 0; hop <= REDIRECTS; hop++) {
      const response = await request(url, {
        agent: url.protocol === 'https:' ? secure : plain,
        headers: { 'user-agent': 'drydock', 'accept-encoding': 'identity', accept: download.accept ?? '*/*', ...partHeaders(part), ...settings.headersFor?.(url) },
        signal: download.signal,
      })
      const status = response.statusCode ?? 0
      if (status === 200) return { response, from: 0 }
      if (part !== undefined && (status === 206 || status === 416)) {
        if (status === 206 && firstByte(response) === part.from) return { response, from: part.from }
        // Another part than was asked for, or nothing behind it: then all of it.
        response.destroy()
        part = undefined
        continue
      }
      response.resume()
      const target = response.headers.location
      if ([301, 302, 303, 307, 308].includes(status) && target !== undefined) {
        const next = new URL(target, url)
        if (url.protocol === 'https:' && next.protocol !== 'https:') {
          throw new DrydockError('DD-COLLECT-005', `expected ${download.what} over TLS, found a redirect to plain http`, 'look at the registry or proxy that sent it')
        }
        url = next
        continue
      }
      if (status === 404 || status === 410) {
        throw new DrydockError('DD-COLLECT-006', `expected ${download.what} in the registry, found that it is not there (HTTP ${status})`, 'check the name and the version, and which registry this machine is set up for')
      }
      const challenge = response.headers['www-authenticate']
      if (status === 401 && !challenged && challenge !== undefined && settings.challenged !== undefined && (await settings.challenged(url, challenge, download.signal))) {
        challenged = true
        continue
      }
      if (status === 407) {
        throw new DrydockError('DD-COLLECT-005', `expected the proxy to let ${download.what} through, found that it wants other credentials (HTTP 407)`, 'put user and password into the proxy address of this machine (https_proxy, npm config, pip config)')
      }
      if (status === 408 || status === 429 || status >= 500) throw new NetworkFault(`HTTP ${status}`)
      throw new DrydockError('DD-COLLECT-005', `expected ${download.what}, found HTTP ${status} from its registry`, 'check the credentials and the address in the configuration of the client (npm, pip, apt)')
    }
    throw new DrydockError('DD-COLLECT-005', `expected ${download.what} after at most ${REDIRECTS} redirects, found more`, 'look at the registry or proxy that sends them')
  }

  async function read<T>(download: Download, use: (body: AsyncIterable<Buffer>, headers: http.IncomingHttpHeaders, from: number) => Promise<T>): Promise<T> {
    const attempt = async (): Promise<T> => {
      const { response, from } = await answer(download)
      try {
        return await use(whole(response), response.headers, from)
      } finally {
        response.destroy()
      }
    }
    return await withRetries(download.what, download.signal, attempt, download.advanced)
  }

  return {
    read,
    async document(download) {
      return await read(download, async body => {
        const parts: Buffer[] = []
        let size = 0
        for await (const part of body) {
          size += part.length
          if (size > DOCUMENT_BYTES) throw new DrydockError('DD-CORE-010', `expected ${download.what} to be at most ${DOCUMENT_BYTES} bytes, found more`, 'look at what the registry sends')
          parts.push(part)
        }
        return Buffer.concat(parts)
      })
    },
    close() {
      plain.destroy()
      secure.destroy()
    },
  }
}

function partHeaders(part: Part | undefined): Record<string, string> {
  if (part === undefined) return {}
  return { range: `bytes=${part.from}-`, ...(part.etag === undefined ? {} : { 'if-range': part.etag }) }
}

function firstByte({ headers }: http.IncomingMessage): number | undefined {
  const first = /^bytes (\d{1,15})-/.exec(headers['content-range'] ?? '')?.[1]
  return first === undefined ? undefined : Number(first)
}

async function request(url: URL, options: https.RequestOptions): Promise<http.IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>()
  const sent = (url.protocol === 'https:' ? https : http).request(url, options)
  sent.setTimeout(SILENCE_MS, () => sent.destroy(new NetworkFault(`${SILENCE_MS / 1000} s of silence`)))
  sent.on('response', resolve)
  sent.on('error', failure => reject(options.signal?.aborted === true ? failure : (trustFault(url, failure) ?? new NetworkFault(failure.message, failure))))
  sent.end()
  return await promise
}

/** Trying again does not help against a certificate that nobody here trusts, and who switches the check off has lost it. */
function trustFault(url: URL, failure: Error): DrydockError | undefined {
  const code = 'code' in failure ? String(failure.code) : ''
  if (!/CERT|UNABLE_TO_(VERIFY|GET_ISSUER)|^ERR_TLS_/.test(code)) return undefined
  return new DrydockError(
    'DD-COLLECT-005',
    `expected ${url.host} to show a certificate that this machine trusts, found ${code}`,
    'add the certificate authority of that registry or of the proxy between (npm config cafile, pip config global.cert, CURL_CA_BUNDLE), and look at the clock; never switch the check off',
    { cause: failure },
  )
}

/** The body; what ends early (a closed connection, fewer bytes than announced) is a network fault, never a short file. */
async function* whole(response: http.IncomingMessage): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) yield chunk
  } catch (failure) {
    throw new NetworkFault(failure instanceof Error ? failure.message : 'the connection broke', failure)
  }
  if (!response.complete) throw new NetworkFault('the connection closed before the end')
}
