import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { asDrydockError } from '../../../appliance/core/error.ts'
import { hexOf } from '../../../appliance/core/digest.ts'
import { bake } from '../../../appliance/images/bake.ts'
import { BLOB_FOLDER } from '../../../bundles/format/collection-lock.ts'
import { checkShape } from '../../../bundles/format/check.ts'
import { Lock } from '../../../appliance/model/lock.ts'

/** `bake-here.ts LOCK WORKSPACE FOLDER [KILL_AFTER_PHASE]`: bakes a lock as whoever runs this; prints the digest and each layer's, one JSON line. */
const [lockFile, workspace, folder, killAfter] = process.argv.slice(2) as [string, string, string, string | undefined]
try {
  const lock = checkShape(Lock, JSON.parse(readFileSync(lockFile, 'utf8')), 'lock')
  const started = performance.now()
  const manifest = await bake(lock, {
    blobPath: digest => join(workspace, BLOB_FOLDER, hexOf(digest)),
    imagesDir: join(folder, 'images'),
    workDir: join(folder, 'work'),
    signal: new AbortController().signal,
    progress: ({ phase }) => {
      if (phase === killAfter) process.kill(process.pid, 'SIGKILL')
    },
  })
  const layers = manifest.layers.map(layer => `${layer.name} ${layer.digest}`)
  process.stdout.write(`${JSON.stringify({ digest: manifest.digest, layers, seconds: (performance.now() - started) / 1000, year: new Date().getFullYear() })}\n`)
} catch (failure) {
  process.stderr.write(`${JSON.stringify(asDrydockError(failure))}\n${failure instanceof Error ? failure.stack : ''}\n`)
  process.exitCode = 1
}
