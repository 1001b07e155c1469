import type { IncomingHttpHeaders } from 'node:http'
import { RESUMABLE_BYTES } from '../limits.ts'
import { counted, type Coming } from '../progress.ts'
import { mismatch, type Expected, type Kept } from '../expected.ts'
import type { Workspace } from '../workspace.ts'
import type { HttpClient, Part } from './http.ts'

/** `coming` learns how many bytes are still to come. */
export type BlobDownload = { url: string; what: string; expected: Expected; signal: AbortSignal; coming: Coming }

/**
 * A blob whose hash is known, into the workspace. A large one that is cut off goes on where it stopped, in this run or the next one: by
 * Range, and If-Range where the server gave a strong ETag (RFC 9110, 13.1.5 and 14). A server without ranges sends all of it again. Whether
 * the two halves belong together the hash alone decides: when they do not, both go and it is fetched once more from its first byte.
 * @throws DD-COLLECT-004 when what came whole has another hash, DD-COLLECT-005, DD-COLLECT-006
 */
export async function fetchBlob(http: HttpClient, { expected, coming, ...download }: BlobDownload, workspace: Workspace): Promise<Kept> {
  const { what } = download
  const half = await workspace.half(expected)
  // Somebody else in this process fetches the same bytes: two writers in one half would spoil it.
  if (half === undefined) return await http.read(download, async (body, headers) => await workspace.keep(what, counted(body, lengthOf(headers), coming), expected))
  let most = half.size()
  const part = (): Part | undefined => (half.size() === 0 ? undefined : { from: half.size(), etag: half.etag() })
  const advanced = (): boolean => {
    if (half.size() < most + RESUMABLE_BYTES) return false
    most = half.size()
    return true
  }
  try {
    for (let anew = false; ; anew = true) {
      const came = await http.read({ ...download, part, advanced }, async (uncounted, headers, from) => {
        const body = counted(uncounted, lengthOf(headers), coming)
        if (from === 0) {
          const small = isSmall(headers)
          await half.restart(small ? undefined : strongEtag(headers))
          if (small) return { kept: await workspace.keep(what, body, expected), whole: true }
        }
        for await (const chunk of body) await half.write(chunk)
        return { kept: await half.finish(), whole: from === 0 }
      })
      if ('digest' in came.kept) return came.kept
      // What was put together from several answers may have been spoiled by a former one.
      if (came.whole || anew) throw mismatch(what, expected, came.kept.found)
    }
  } finally {
    await half.close()
  }
}

/** `W/"…"` says only that it means the same, not that it is the same bytes. */
function strongEtag({ etag }: IncomingHttpHeaders): string | undefined {
  return etag !== undefined && /^"[\x21\x23-\x7e]{0,1000}"$/.test(etag) ? etag : undefined
}

function isSmall(headers: IncomingHttpHeaders): boolean {
  const length = lengthOf(headers)
  return length !== undefined && length < RESUMABLE_BYTES
}

function lengthOf({ 'content-length': length }: IncomingHttpHeaders): number | undefined {
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined
}
