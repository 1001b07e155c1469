import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isPackageName, SITE_SCOPE, tarballName } from './names.ts'

/** A tarball that somebody published here; `key` orders them. */
export type PublishedFile = { key: string; path: string; size: number; name: string; version: string; file: string }

const TARBALL = /\.tgz$/

/** Where verdaccio keeps what was published into this appliance. */
export function publishedFolder(dataDir: string): string {
  return join(dataDir, 'site', 'npm')
}

/**
 * What people have published into the private registry, as it lies on the disk now: `site/npm/@site/tool/tool-1.0.0.tgz`. No generation holds it and no
 * bundle brought it, so whoever looks at everything that is served has to look here too.
 */
export function publishedIn(dataDir: string) {
  const scope = join(publishedFolder(dataDir), SITE_SCOPE)
  return {
    /** In the order of their keys. */
    async files(): Promise<PublishedFile[]> {
      const packages = await namesIn(scope)
      const found = await Promise.all(packages.map(async short => {
        const folder = join(scope, short)
        const tarballs = (await namesIn(folder)).filter(file => TARBALL.test(file) && file.startsWith(`${short}-`))
        return await Promise.all(tarballs.map(async (file): Promise<PublishedFile[]> => {
          const path = join(folder, file)
          const size = await stat(path).then(found => found.size, () => undefined)
          // It was unpublished in this instant.
          if (size === undefined) return []
          return [{ key: `${SITE_SCOPE}${short}/${file}`, path, size, name: `${SITE_SCOPE}${short}`, version: file.slice(short.length + 1).replace(TARBALL, ''), file }]
        }))
      }))
      return found.flat(2).toSorted((a, b) => (a.key < b.key ? -1 : 1))
    },
    /** Whether this version is here still. */
    has(name: string, version: string): boolean {
      return name.startsWith(SITE_SCOPE) && isPackageName(name) && !/[/\0]/.test(version) && existsSync(join(publishedFolder(dataDir), name, tarballName(name, version)))
    },
  }
}

/** Nobody has published anything: there is no folder. */
async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch((failure: NodeJS.ErrnoException) => {
    if (failure.code === 'ENOENT' || failure.code === 'ENOTDIR') return []
    throw failure
  })
}
