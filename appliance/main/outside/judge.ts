import { DrydockError } from '../../core/error.ts'
import { wallClock } from '../../core/clock.ts'
import type { OpenedVolume } from '../../../bundles/build/index.ts'
import { loadTrust, verifyManifest } from '../../../importer/verify/index.ts'
import { readTrust } from '../trust-file.ts'

export type JudgeOptions = { trust?: string; site?: string }
export type Judge = (head: OpenedVolume['head']) => ReturnType<typeof verifyManifest>

/** Judges signatures before anything else of a bundle is parsed; undefined where no trust document was named. */
export async function judgeBy(options: JudgeOptions & { trust: string }): Promise<Judge>
export async function judgeBy(options: JudgeOptions): Promise<Judge | undefined>
export async function judgeBy({ trust: file, site }: JudgeOptions): Promise<Judge | undefined> {
  if (file === undefined) {
    if (site !== undefined) throw new DrydockError('DD-CLI-001', 'expected --trust beside --site, found --site alone', 'the site of a bundle means something only when its signatures are judged')
    return undefined
  }
  const trust = await loadTrust((await readTrust(file)).trust)
  return head => verifyManifest(head, { trust, now: wallClock.now(), ...(site === undefined ? {} : { site }) })
}
