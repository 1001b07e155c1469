import { basename } from 'node:path'
import { asDrydockError, type DrydockError } from '../../appliance/core/error.ts'
import { BUNDLES, FOLDERS } from './limits.ts'
import { fileSystemsOf, folderOf, type FileSystem } from './reader.ts'
import { printOf, type FileOnMedium } from './reader-file.ts'

/** A bundle on a medium. `source` names it for ever: medium, first bytes, size and path, so that a stick that comes back brings the same one. */
export type FoundBundle = { source: string; name: string; file: FileOnMedium }
export type Looked = { systems: FileSystem[]; others: string[]; bundles: FoundBundle[]; more: boolean; unread: DrydockError[] }

export const MEDIUM_SCHEME = 'medium:'
/** Folders that systems make and people never put bundles into. */
const NOT_THEIRS = new Set(['lost+found', 'System Volume Information', '$RECYCLE.BIN', 'RECYCLER', 'EFI'])

/** Looks for bundles in the root of each file system and in its folders, one level deep. One that cannot be read hides no other. @throws DD-MEDIA-001, 004 */
export async function lookAt(medium: string, signal?: AbortSignal): Promise<Looked> {
  const { systems, others } = await fileSystemsOf(medium, signal)
  const bundles = new Map<string, FoundBundle>()
  const unread: DrydockError[] = []
  let more = false
  for (const system of systems) {
    const root = await folderOf(medium, system.at, '', signal)
    const folders = root.filter(({ folder, name }) => folder && !NOT_THEIRS.has(name))
    more ||= folders.length > FOLDERS
    const places = [{ folder: '', entries: root }]
    for (const { name } of folders.slice(0, FOLDERS)) places.push({ folder: `${name}/`, entries: await folderOf(medium, system.at, name, signal) })
    for (const { path, size } of places.flatMap(place => place.entries.filter(entry => !entry.folder && entry.size > 0).map(({ name, size }) => ({ path: place.folder + name, size })))) {
      if (bundles.size >= BUNDLES) {
        more = true
        break
      }
      const file: FileOnMedium = { medium, at: system.at, path, size, called: calledOf(system) }
      const print = await printOf(file, signal).catch((failure: unknown) => {
        unread.push(asDrydockError(failure))
        return undefined
      })
      if (print === undefined) continue
      const source = `${MEDIUM_SCHEME}${system.serial ?? 'no-serial'}/${print}-${size}/${path}`
      bundles.set(source, { source, name: basename(path), file })
    }
  }
  const [fault] = unread
  if (bundles.size === 0 && fault !== undefined) throw fault
  return { systems, others, bundles: [...bundles.values()], more, unread }
}

/** `the medium STICK (FAT, 8BCE-3883)` */
export function calledOf({ label, kind, serial }: Pick<FileSystem, 'label' | 'kind' | 'serial'>): string {
  return `the medium ${label ?? 'without a label'} (${kind}${serial === null ? '' : `, ${serial}`})`
}

/** What can be said of a source whose medium is not there: its serial and its file. */
export function partsOfSource(source: string): { serial: string; path: string } {
  const [serial = '', , ...path] = source.slice(MEDIUM_SCHEME.length).split('/')
  return { serial, path: path.join('/') }
}
