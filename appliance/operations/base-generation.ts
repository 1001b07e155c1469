import type { ImportLedger } from './import-ledger.ts'

/**
 * The generation that a delta stands on: the one that was made by the import whose receipt, or whose manifest, has this digest. Nothing
 * when no such import ended well here.
 */
export function baseGeneration(ledger: Pick<ImportLedger, 'list'>, base: string): number | undefined {
  return ledger.list().find(({ state, receipt, preflight }) => state === 'imported' && (receipt === base || preflight?.manifest === base))?.generation ?? undefined
}
