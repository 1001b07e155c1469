import { digestOf, hexOf, type Digest } from '../../../appliance/core/digest.ts'
import { DrydockError } from '../../../appliance/core/error.ts'
import { fetchBlob } from '../fetch/fetch-blob.ts'
import { environmentSettings, openHttp, type HttpClient, type HttpSettings } from '../fetch/http.ts'
import { MANIFEST_BYTES, REFERRER_PAGES } from '../limits.ts'
import { isManifest, MANIFEST_TYPES, mediaTypeOf, parseManifest, type Descriptor } from './descriptor.ts'
import type { MachineSays } from './machine.ts'
import { isLoopback, type Reference } from './registry-name.ts'
import { expectedOf, type FoundManifest, type ImageSource } from './source.ts'

const INDEX = 'application/vnd.oci.image.index.v1+json'
/** Docker's own registry is called one thing and answers at another. */
const API_HOSTS: Record<string, string> = { 'docker.io': 'registry-1.docker.io' }

/**
 * The pull side of a registry (https://github.com/opencontainers/distribution-spec/blob/main/spec.md), blob by blob, so that a run that was cut
 * off goes on where it was, and what refers to an image can be asked for.
 */
export async function openRegistry(reference: Reference, { credentials }: MachineSays, what: string, signal: AbortSignal, environment: NodeJS.ProcessEnv): Promise<ImageSource> {
  const { host, name, target } = reference
  const api = `${(await isPlain(host, signal)) ? 'http' : 'https'}://${API_HOSTS[host] ?? host}`
  const settings = await environmentSettings(environment)
  const http = openHttp({ ...settings, ...authentication(new URL(api), credentials, settings) })
  const accept = MANIFEST_TYPES.join(', ')

  async function manifestAt(place: string): Promise<FoundManifest> {
    return await http.read({ url: `${api}/v2/${name}/manifests/${place}`, what, accept, signal }, async (body, headers) => {
      const bytes = await limited(body, what)
      const digest = digestOf(bytes)
      if (place.startsWith('sha256:') && digest !== place) throw otherBytes(what, place, digest)
      return { bytes, digest, mediaType: mediaTypeOf(bytes, headers['content-type'], what) }
    })
  }
  const referrersIn = (bytes: Buffer) => parseManifest(bytes, INDEX, `referrers of ${what}`).manifests.filter(({ mediaType }) => isManifest(mediaType))

  /** A long list comes in pages, each naming the next (RFC 5988). */
  async function referrerPages(first: string): Promise<Descriptor[]> {
    const all: Descriptor[] = []
    let url: string | undefined = first
    for (let page = 0; url !== undefined; page++) {
      if (page === REFERRER_PAGES) throw new DrydockError('DD-CORE-010', `expected at most ${REFERRER_PAGES} pages of referrers of ${what}, found more`, 'leave out referrers, or have the registry cleaned')
      const here: string = url
      const { bytes, link } = await http.read({ url: here, what: `referrers of ${what}`, accept: INDEX, signal }, async (body, headers) => ({ bytes: await limited(body, what), link: headers.link }))
      all.push(...referrersIn(bytes))
      const next = /<([^>]+)>;\s*rel="?next"?/.exec(typeof link === 'string' ? link : '')?.[1]
      url = next === undefined ? undefined : new URL(next, here).href
    }
    return all
  }
  async function tagged(tag: string): Promise<FoundManifest | undefined> {
    return await absentAsUndefined(async () => await manifestAt(tag))
  }

  return {
    root: async () => await manifestAt(target),
    tagged,
    manifest: async ({ digest }) => (await manifestAt(digest)).bytes,
    async blob(descriptor, workspace, coming) {
      const { digest } = descriptor
      return await fetchBlob(http, { url: `${api}/v2/${name}/blobs/${digest}`, what: `${digest} of ${what}`, signal, coming, expected: expectedOf(descriptor) }, workspace)
    },
    async referrers(digest) {
      const list = await absentAsUndefined(async () => await referrerPages(`${api}/v2/${name}/referrers/${digest}`))
      if (list !== undefined) return list
      // A registry without that API keeps the list under a tag (distribution-spec, "Referrers Tag Schema").
      const found = await tagged(`sha256-${hexOf(digest)}`)
      return found === undefined ? [] : referrersIn(found.bytes)
    },
    async close() {
      http.close()
    },
  }
}

/** TLS always, except that a registry on loopback, which never leaves the machine, may speak without it. */
async function isPlain(host: string, signal: AbortSignal): Promise<boolean> {
  if (!isLoopback(host)) return false
  try {
    const answer = await fetch(`http://${host}/v2/`, { signal, redirect: 'manual' })
    await answer.body?.cancel()
    return answer.status !== 400
  } catch {
    return false
  }
}

/** Basic, or a bearer token from where the registry says (https://distribution.github.io/distribution/spec/auth/token/); only ever to the registry itself. */
function authentication(api: URL, credentials: MachineSays['credentials'], settings: HttpSettings): Pick<HttpSettings, 'headersFor' | 'challenged'> {
  const basic = credentials === undefined ? undefined : `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')}`
  let authorization: string | undefined
  return {
    headersFor: (url): Record<string, string> => (url.host === api.host && authorization !== undefined ? { authorization } : {}),
    async challenged(url, challenge, signal) {
      if (url.host !== api.host) return false
      if (/^basic/i.test(challenge)) {
        authorization = basic
        return basic !== undefined
      }
      const field = (key: string) => new RegExp(`${key}="([^"]*)"`).exec(challenge)?.[1]
      const realm = field('realm')
      if (!/^bearer/i.test(challenge) || realm === undefined || !URL.canParse(realm) || (api.protocol === 'https:' && new URL(realm).protocol !== 'https:')) return false
      const address = new URL(realm)
      for (const key of ['service', 'scope'] as const) {
        const value = field(key)
        if (value !== undefined) address.searchParams.set(key, value)
      }
      authorization = `Bearer ${await tokenFrom(address, basic, settings, signal)}`
      return true
    },
  }
}

async function tokenFrom(address: URL, basic: string | undefined, settings: HttpSettings, signal: AbortSignal): Promise<string> {
  const http: HttpClient = openHttp({ ...settings, headersFor: (url): Record<string, string> => (basic !== undefined && url.host === address.host ? { authorization: basic } : {}) })
  try {
    const text = await http.document({ url: address.href, what: `a token from ${address.host}`, accept: 'application/json', signal })
    const { token, access_token: access } = JSON.parse(text.toString('utf8')) as { token?: unknown; access_token?: unknown }
    const found = typeof token === 'string' ? token : access
    if (typeof found === 'string' && /^[\x21-\x7e]+$/.test(found)) return found
  } catch (failure) {
    if (!(failure instanceof SyntaxError)) throw failure
  } finally {
    http.close()
  }
  throw new DrydockError('DD-COLLECT-005', `expected a token from ${address.host}, found none in its answer`, 'log in again: skopeo login')
}

async function absentAsUndefined<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (failure) {
    if (failure instanceof DrydockError && failure.code === 'DD-COLLECT-006') return undefined
    throw failure
  }
}

async function limited(body: AsyncIterable<Buffer>, what: string): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of body) {
    size += part.length
    if (size > MANIFEST_BYTES) throw new DrydockError('DD-CORE-010', `expected a manifest of ${what} of at most ${MANIFEST_BYTES} bytes, found more`, 'look at the registry or proxy that answered')
    parts.push(part)
  }
  return Buffer.concat(parts)
}

export function otherBytes(what: string, expected: string, found: Digest): DrydockError {
  return new DrydockError('DD-COLLECT-004', `expected ${expected} of ${what}, found ${found}`, 'nothing of it was kept; ask the registry for a clean copy, and look for a cache or proxy on the way that changes bytes')
}
