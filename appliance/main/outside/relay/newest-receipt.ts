import { readReceipt } from '../../../../bundles/build/index.ts'
import type { Workspace } from '../../../../bundles/format/collection-lock.ts'
import type { Clock } from '../../../core/clock.ts'
import { DrydockError } from '../../../core/error.ts'
import { readPublicKey } from '../key-files.ts'
import { filesIn } from './place.ts'
import type { Delivery } from './relay-file.ts'

/**
 * The receipt of the highest generation that the site's appliance signed; undefined when there is none, and then everything is sent.
 * One that does not hold is named and left out: a damaged copy must not stop the relay, and costs only bytes.
 */
export async function newestReceipt({ receipts, applianceKey }: Exclude<Delivery['since'], string | undefined>, sender: Pick<Workspace, 'site'>, { clock, say }: { clock: Clock; say: (text: string) => void }): Promise<Awaited<ReturnType<typeof readReceipt>> | undefined> {
  const key = await readPublicKey(applianceKey)
  let newest: Awaited<ReturnType<typeof readReceipt>> | undefined
  for (const file of await filesIn(receipts, '.json')) {
    const read = await readReceipt(file, key, clock.now()).catch((failure: unknown) => {
      if (!(failure instanceof DrydockError)) throw failure
      say(`left out ${file}: ${failure.message} (${failure.code})`)
      return undefined
    })
    if (read === undefined || (sender.site !== '*' && read.receipt.site !== sender.site)) continue
    if (newest === undefined || read.receipt.generation > newest.receipt.generation) newest = read
  }
  return newest
}
