import Type from 'typebox'
import { hexOf, parseDigest } from '../../appliance/core/digest.ts'
import type { Item } from '../../bundles/format/item.ts'
import { normalisedName } from '../../bundles/format/pypi-name.ts'
import { findAfter, type MirrorFormat, type Rendered, type RenderView } from '../store/format.ts'
import { blobNamed, itemFault, metadataOf, shown } from '../store/item-fault.ts'
import { preferred } from './accept.ts'
import { isDistributionFile, projectOf } from './names.ts'
import { HTML_TYPE, JSON_TYPE, projectHtml, projectJson, rootHtml, rootJson, type SimpleFile } from './pages.ts'
import { validateWheel } from './wheel.ts'

const PypiMetadata = Type.Object({
  files: Type.Array(
    Type.Object({
      filename: Type.String({ maxLength: 255 }),
      requiresPython: Type.Optional(Type.String({ maxLength: 255 })),
      yanked: Type.Optional(Type.Union([Type.Boolean(), Type.String({ maxLength: 1024 })])),
      metadata: Type.Optional(Type.String({ maxLength: 255 })),
    }),
    { minItems: 1, maxItems: 10_000 },
  ),
})
type PypiMetadata = Type.Static<typeof PypiMetadata>

/** These end the catalogue path of a page's other forms; a control character, which no request can hold. */
const JSON_PATH = '\u001fjson'
const HTML_PATH = '\u001fhtml'

/** /pypi/simple/… (PEP 503 and 691 by Accept) and /pypi/files/<project>/<version>/<file>, with PEP 658 metadata beside the wheels. */
export function pypiFormat(): MirrorFormat {
  return {
    kind: 'pypi',
    prefix: 'pypi',
    stamp: 'PEP 714',
    async validate(item, blobs) {
      if (!/^[A-Za-z0-9][A-Za-z0-9.!+_-]*$/.test(item.version)) throw itemFault(item, 'a version by PEP 440', shown(item.version))
      for (const file of metadataOf(PypiMetadata, item).files) {
        if (!isDistributionFile(file.filename)) throw itemFault(item, 'the name of a wheel or source archive', shown(file.filename))
        if (projectOf(file.filename) !== normalisedName(item.name)) throw itemFault(item, `files of ${normalisedName(item.name)}`, shown(file.filename))
        const metadata = file.metadata === undefined ? undefined : blobNamed(item, file.metadata).digest
        if (file.filename.endsWith('.whl')) await validateWheel(item, blobs.blobPath(parseDigest(blobNamed(item, file.filename).digest)), file.filename, metadata)
      }
    },
    merge,
    render,
    find({ path, accept }) {
      if (!path.startsWith('simple')) return { path }
      const project = /^simple\/([^/]*)(\/?)$/.exec(path)
      if (path === 'simple') return { redirect: 'simple/' }
      if (project === null) return { path }
      const name = normalisedName(project[1] ?? '')
      if (project[1] !== '' && (project[2] !== '/' || name !== project[1])) return { redirect: `simple/${encodeURIComponent(name)}/` }
      const type = preferred(accept, ['text/html', HTML_TYPE, JSON_TYPE])
      return { path: type === JSON_TYPE ? path + JSON_PATH : type === HTML_TYPE ? path + HTML_PATH : path, headers: () => ({ vary: 'accept' }) }
    },
    refusal: (status, what) => ({ body: `${status} ${status === 404 ? `not found: ${what}` : what}\n`, mediaType: 'text/plain; charset=utf-8' }),
  }
}

/** A release may get files that it did not have (a wheel for another Python), never other bytes under a name it had. */
function merge(before: Item, after: Item): Item | undefined {
  const blobs = new Map(before.blobs.map(blob => [blob.name, blob]))
  for (const blob of after.blobs) {
    if (blobs.has(blob.name) && blobs.get(blob.name)?.digest !== blob.digest) return undefined
    blobs.set(blob.name, blob)
  }
  const files = new Map([before, after].flatMap(item => metadataOf(PypiMetadata, item).files).map(file => [file.filename, file]))
  const inOrder = <T>(map: Map<string, T>): T[] => [...map].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
  return { ...after, metadata: { ...after.metadata, files: inOrder(files) }, blobs: inOrder(blobs) }
}

function* render(previous: RenderView, changes: readonly Item[]): Iterable<Rendered> {
  const spellings = new Map<string, Set<string>>()
  const spell = (name: string): void => void spellings.set(normalisedName(name), (spellings.get(normalisedName(name)) ?? new Set()).add(name))
  for (const name of previous.names('pypi')) spell(name)
  const before = spellings.size
  for (const item of changes) spell(item.name)
  for (const name of new Set(changes.map(item => normalisedName(item.name)))) {
    const items = [...(spellings.get(name) ?? [])].flatMap(spelling => findAfter(previous, changes, 'pypi', spelling))
    const files = items.flatMap(item => metadataOf(PypiMetadata, item).files.map(file => simpleFile(item, file))).toSorted((a, b) => (a.filename < b.filename ? -1 : 1))
    yield* htmlAt(`simple/${name}/`, projectHtml(name, files))
    yield { path: `simple/${name}/${JSON_PATH}`, mediaType: JSON_TYPE, bytes: projectJson(name, [...new Set(items.map(item => item.version))].toSorted(), files) }
  }
  for (const item of changes) yield* filesOf(item)
  if (spellings.size === before) return
  const names = [...spellings.keys()].toSorted()
  yield* htmlAt('simple/', rootHtml(names))
  yield { path: `simple/${JSON_PATH}`, mediaType: JSON_TYPE, bytes: rootJson(names) }
}

function htmlAt(path: string, bytes: string): Rendered[] {
  return [{ path, mediaType: 'text/html; charset=utf-8', bytes }, { path: path + HTML_PATH, mediaType: HTML_TYPE, bytes }]
}

function* filesOf(item: Item): Iterable<Rendered> {
  for (const file of metadataOf(PypiMetadata, item).files) {
    const path = filePath(item, file.filename)
    yield { path, mediaType: 'application/octet-stream', immutable: true, digest: parseDigest(blobNamed(item, file.filename).digest) }
    if (file.metadata !== undefined) yield { path: `${path}.metadata`, mediaType: 'application/octet-stream', immutable: true, digest: parseDigest(blobNamed(item, file.metadata).digest) }
  }
}

function simpleFile(item: Item, file: PypiMetadata['files'][number]): SimpleFile {
  const blob = blobNamed(item, file.filename)
  return {
    filename: file.filename,
    url: `../../${filePath(item, file.filename).split('/').map(encodeURIComponent).join('/')}`,
    sha256: hexOf(parseDigest(blob.digest)),
    size: blob.size,
    requiresPython: file.requiresPython,
    yanked: file.yanked ?? false,
    metadataSha256: file.metadata === undefined ? undefined : hexOf(parseDigest(blobNamed(item, file.metadata).digest)),
  }
}

function filePath(item: Item, filename: string): string {
  return `files/${normalisedName(item.name)}/${item.version}/${filename}`
}
