import { existsSync } from 'node:fs'
import { lstat, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { checkShape } from '../../bundles/format/check.ts'
import { isReleaseName, SITE_SCOPE } from './names.ts'

/**
 * A file that somebody published here; `key` orders them. `version` is the one that npm fetches it for, null when there is none: then only the whole package
 * can be taken away, and with it what nobody can name.
 */
export type PublishedFile = { key: string; path: string; size: number; name: string; version: string | null; file: string }

/** What verdaccio keeps beside the files of a package; it serves all others, under whatever name somebody sent them. */
const PACKUMENT = 'package.json'
const Packument = Type.Object({ versions: Type.Record(Type.String(), Type.Object({ dist: Type.Object({ tarball: Type.String() }) })) })

/** Where verdaccio keeps what was published into this appliance. */
export function publishedFolder(dataDir: string): string {
  return join(dataDir, 'site', 'npm')
}

/**
 * What people have published into the private registry, as it lies on the disk now: `site/npm/@site/tool/tool-1.0.0.tgz`. No generation holds it and no
 * bundle brought it, so whoever looks at everything that is served has to look here too.
 */
export function publishedIn(dataDir: string) {
  const root = publishedFolder(dataDir)
  const scope = join(root, SITE_SCOPE)

  async function filesOf(short: string): Promise<PublishedFile[]> {
    const folder = join(scope, short)
    const versions = await versionsIn(folder)
    const found = await Promise.all((await namesIn(folder)).filter(file => file !== PACKUMENT).map(async (file): Promise<PublishedFile[]> => {
      const path = join(folder, file)
      const about = await lstat(path).catch(() => undefined)
      // Undefined: it was unpublished in this instant.
      if (about?.isFile() !== true) return []
      return [{ key: `${SITE_SCOPE}${short}/${file}`, path, size: about.size, name: `${SITE_SCOPE}${short}`, version: versions.get(file) ?? null, file }]
    }))
    return found.flat()
  }

  return {
    /** In the order of their keys. */
    async files(): Promise<PublishedFile[]> {
      const found: PublishedFile[] = []
      // One packument in memory at a time.
      for (const short of await namesIn(scope)) found.push(...(await filesOf(short)))
      return found.toSorted((a, b) => (a.key < b.key ? -1 : 1))
    },
    /** Whether the file of this key is here still. */
    has(key: string): boolean {
      const [, short, file, ...others] = key.split('/')
      const isPlain = (name: string | undefined): boolean => name !== undefined && !['', '.', '..'].includes(name) && !name.includes('\0')
      return key.startsWith(SITE_SCOPE) && others.length === 0 && isPlain(short) && isPlain(file) && existsSync(join(root, key))
    },
  }
}

/** By the name of the file that npm fetches. A packument that is none names nothing. */
async function versionsIn(folder: string): Promise<Map<string, string>> {
  try {
    const { versions } = checkShape(Packument, JSON.parse(await readFile(join(folder, PACKUMENT), 'utf8')), PACKUMENT)
    return new Map(Object.entries(versions).flatMap(([version, { dist }]) => (isReleaseName(version) ? [[dist.tarball.slice(dist.tarball.lastIndexOf('/') + 1), version]] : [])))
  } catch {
    return new Map()
  }
}

/** Nobody has published anything: there is no folder. */
async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch((failure: NodeJS.ErrnoException) => {
    if (failure.code === 'ENOENT' || failure.code === 'ENOTDIR') return []
    throw failure
  })
}
