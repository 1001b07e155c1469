import { join } from 'node:path'
import { startLocalRegistry, type LocalRegistry } from '../../../demo/local-registry.ts'
import { startArchive } from './archive.ts'
import { startLoopback } from './loopback.ts'

/** Debian's docker-registry with one small image, made of .debs of an archive of our own. */
export async function startRegistry(folder: string): Promise<LocalRegistry> {
  const server = await startLoopback()
  const archive = await startArchive(join(folder, 'archive'), server, [{ name: 'base-files' }, { name: 'busybox-static' }])
  const { signedBy, ...source } = archive.source
  const sources = source.suites.map(suite => ({ uri: source.uri, suite, components: source.components, keyring: signedBy }))
  try {
    return await startLocalRegistry({ aptFolder: join(folder, 'apt'), signal: new AbortController().signal, sources })
  } finally {
    await server.close()
  }
}
