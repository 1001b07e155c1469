const PLURAL: Partial<Record<string, string>> = { file: 'files', role: 'roles' }

/** `npm 212 · pypi 14 · files 1`; kinds that are words stand in the plural, because the number comes behind them. */
export function countsText(counts: Iterable<readonly [kind: string, count: number]>): string {
  return [...counts].map(([kind, count]) => `${PLURAL[kind] ?? kind} ${count}`).join(' · ') || 'nothing'
}
