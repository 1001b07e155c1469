/** A machine that will install: npm's words (`linux`, `x64`, `glibc`). */
export type NpmPlatform = { os: string; cpu: string; libc?: string | undefined }
/** What package.json and lock files say of the machines that a package is for. */
export type PlatformLists = { os?: string[]; cpu?: string[]; libc?: string[] }

/** npm's rule (npm-install-checks): `!x` forbids, a list without `!` must name it. */
export function runsOn(lists: PlatformLists, platform: NpmPlatform): boolean {
  const allows = (list: string[] | undefined, value: string | undefined) => {
    if (list === undefined || list.length === 0 || value === undefined) return true
    if (list.includes(`!${value}`)) return false
    return list.every(word => word.startsWith('!')) || list.includes(value) || list.includes('any')
  }
  return allows(lists.os, platform.os) && allows(lists.cpu, platform.cpu) && allows(lists.libc, platform.libc)
}

/** Yarn's `conditions`: `os=linux & (cpu=x64 | cpu=arm64) & !libc=musl`, as the lists that they were made of. */
export function conditionLists(conditions: string): PlatformLists {
  const lists: Record<'os' | 'cpu' | 'libc', string[]> = { os: [], cpu: [], libc: [] }
  for (const [, not = '', key, value] of conditions.matchAll(/(!?)(os|cpu|libc)=([\w.-]+)/g)) lists[key as keyof typeof lists].push(`${not}${value}`)
  return lists
}
