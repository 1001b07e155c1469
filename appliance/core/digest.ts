import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { DrydockError } from './error.ts'

declare const digestBrand: unique symbol
/** `sha256:` and 64 lower-case hex digits. Made only by {@link parseDigest} and the hashing functions here. */
export type Digest = string & { readonly [digestBrand]: true }

const DIGEST = /^sha256:[0-9a-f]{64}$/

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text)
}

/** @throws DD-CORE-004 when the text is not a digest. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) {
    throw new DrydockError('DD-CORE-004', `expected sha256: and 64 hex digits, found ${JSON.stringify(text.slice(0, 80))}`, 'copy the whole digest as the appliance prints it')
  }
  return text
}

/** The 64 hex digits alone, as file names in the blob store and entry names in a bundle use them. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length)
}

/** @throws DD-CORE-004 when these are not 64 lower-case hex digits. */
export function digestFromHex(hex: string): Digest {
  return parseDigest(`sha256:${hex}`)
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return digestOfHash(createHash('sha256').update(bytes))
}

/** Finishes a running SHA-256; the hash cannot be used afterwards. */
export function digestOfHash(hash: Hash): Digest {
  return `sha256:${hash.digest('hex')}` as Digest
}

/** Reads the whole file once. Size is in bytes. */
export async function digestOfFile(path: string): Promise<{ digest: Digest; size: number }> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    size += chunk.length
  }
  return { digest: digestOfHash(hash), size }
}
