import { zstdCompressSync } from 'node:zlib'
import { asDrydockError } from '../../appliance/core/error.ts'
import { digestOf } from '../../appliance/core/digest.ts'
import { canonicalJson } from '../../bundles/format/canonical-json.ts'
import { parseIndex } from '../../bundles/format/index-file.ts'
import type { Manifest } from '../../bundles/format/manifest.ts'

/** Reads an index whose parts are a kilobyte each, and unfold to hundreds of megabytes of objects. Says how that ended. */
const parts = Number(process.argv[2])
const metadata = { nothing: Array.from({ length: 300_000 }, () => ({})) }
const line = `${canonicalJson({ item: { kind: 'file', name: 'a', version: '1', metadata, blobs: [], source: 'pkg:generic/a@1' } })}\n`
const text = line.repeat(2)
const bytes = zstdCompressSync(text)
const part = { digest: digestOf(bytes), size: bytes.length, contentSize: text.length, entries: 0, items: 2 }
const manifest = {
  name: 'demo', index: Array.from({ length: parts }, (_, k) => ({ name: `index/${k}`, ...part })), volumes: [{ payloadSize: 0, firstEntry: 0, entries: 0 }], totals: { entries: 0, bytes: 0, items: { file: 2 * parts } },
} as unknown as Manifest
try {
  parseIndex(manifest, manifest.index.map(() => bytes))
} catch (failure) {
  const { code, message } = asDrydockError(failure)
  process.stdout.write(`${JSON.stringify({ code, message, bytes: parts * bytes.length })}\n`)
}
