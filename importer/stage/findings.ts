import type { Finding } from '../../bundles/format/import-record.ts'
import { itemKey, type Item } from '../../bundles/format/item.ts'
import { bindingEntry, hasKnownLicence, licenceText } from '../../bundles/format/licence.ts'
import { internalNameOf, type InternalNames } from './internal-names.ts'
import type { RecallRecord } from '../../bundles/format/recall.ts'
import type { CatalogueView } from '../../mirror/store/format.ts'
import { recallText } from '../../mirror/store/withdrawn.ts'

export type FindingPolicy = {
  /** What a recall has withdrawn never comes in again. */
  recalled: (item: Item) => RecallRecord | undefined
  /** Names that belong to this site; a bundle that brings one of them would shadow it. */
  internalNames: InternalNames
  /** What may not come in, and what is worth a second look; see `bindingEntry`. */
  licences: { readonly refuse: readonly string[]; readonly warn: readonly string[] }
  /** Whether the catalogue can hold both: a release that only gets another file is not a conflict. */
  canStandBeside: (before: Item, after: Item) => boolean
}

/**
 * What policy says about items, from what is known of them.
 * @param claimed true before the bytes are here: then install scripts are only what the sender says
 */
export function findingsOf(items: readonly Item[], view: CatalogueView, policy: FindingPolicy, claimed: boolean): Finding[] {
  return [...items.flatMap(item => [...recalled(item, policy), ...otherBytes(item, view, policy), ...installScripts(item, claimed), ...shadows(item, policy), ...licence(item, policy)]), ...unknownLicences(items)]
}

function recalled(item: Item, policy: FindingPolicy): Finding[] {
  const recall = policy.recalled(item)
  if (recall === undefined) return []
  return [{ severity: 'blocker', code: 'recalled', item: itemKey(item), text: `${item.name} ${item.version} was ${recallText(recall)}`, claimed: false }]
}

function otherBytes(item: Item, view: CatalogueView, policy: FindingPolicy): Finding[] {
  const before = view.find(item.kind, item.name).find(other => itemKey(other) === itemKey(item))
  if (before === undefined || sameBlobs(before, item) || policy.canStandBeside(before, item)) return []
  return [{ severity: 'blocker', code: 'same-version-other-bytes', item: itemKey(item), text: `${item.name} ${item.version} is here with other bytes; a version never changes its meaning`, claimed: false }]
}

function installScripts(item: Item, claimed: boolean): Finding[] {
  if (item.kind !== 'npm') return []
  const manifest = item.metadata['manifest']
  if (typeof manifest !== 'object' || manifest === null) return []
  const { hasInstallScript, scripts } = manifest as { hasInstallScript?: unknown; scripts?: unknown }
  const names = typeof scripts === 'object' && scripts !== null ? Object.keys(scripts) : []
  if (hasInstallScript !== true && !['preinstall', 'install', 'postinstall'].some(name => names.includes(name))) return []
  return [{ severity: 'note', code: 'install-script', item: itemKey(item), text: `${item.name} ${item.version} runs a script when it is installed`, claimed }]
}

function shadows(item: Item, policy: FindingPolicy): Finding[] {
  const hit = internalNameOf(item, policy.internalNames)
  if (hit === undefined) return []
  return [{ severity: 'blocker', code: 'shadows-internal-name', item: itemKey(item), text: `${item.name} has a name that belongs to this site (${hit})`, claimed: false }]
}

/** What upstream states and the signers vouch for; no step of ours could read a licence better, so it is no claim that is computed again. */
function licence(item: Item, policy: FindingPolicy): Finding[] {
  const refused = bindingEntry(item, policy.licences.refuse)
  const entry = refused ?? bindingEntry(item, policy.licences.warn)
  if (entry === undefined) return []
  const text = `${item.name} ${item.version} is under ${licenceText(item)}, which this site ${refused === undefined ? 'wants to know of' : 'does not take'} (${entry})`
  return [{ severity: refused === undefined ? 'warning' : 'blocker', code: refused === undefined ? 'licence-warned' : 'licence-refused', item: itemKey(item), text, claimed: false }]
}

/** So many are named one by one; a bundle of 10⁶ packages must not make a preflight of 10⁶ lines. */
const NAMED_UNKNOWN = 100

function unknownLicences(items: readonly Item[]): Finding[] {
  const unknown = items.filter(item => !hasKnownLicence(item))
  const findings = unknown.slice(0, NAMED_UNKNOWN).map((item): Finding => {
    const stated = licenceText(item)
    return { severity: 'note', code: 'unknown-licence', item: itemKey(item), text: `${item.name} ${item.version} ${stated === '' ? 'states no licence' : `states a licence that SPDX does not know: ${stated}`}`, claimed: false }
  })
  const more = unknown.length - findings.length
  if (more > 0) findings.push({ severity: 'note', code: 'unknown-licence', item: '', text: `${more} more items state no licence that SPDX knows`, claimed: false })
  return findings
}

function sameBlobs(a: Item, b: Item): boolean {
  const digests = (item: Item): string => item.blobs.map(blob => blob.digest).toSorted().join(' ')
  return digests(a) === digests(b)
}
