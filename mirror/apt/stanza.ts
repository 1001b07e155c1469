/** One paragraph of a Packages file (deb822): fields in order, each value with its continuation lines as they stand. */
export type Stanza = ReadonlyMap<string, string>

/** Line ends of others than us, and what no terminal should be sent. */
const FOREIGN = /(?![\t\n\u0080-\u009f])\p{Cc}|[\u2028\u2029]/u

/**
 * @returns undefined when the text is not exactly one paragraph of well-formed fields: an empty line in it would start another package, and a field
 * that stands twice is read differently here and there. Names of fields are the same in any case (Debian Policy, 5.1).
 */
export function parseStanza(text: string): Stanza | undefined {
  if (FOREIGN.test(text)) return undefined
  const fields = new Map<string, string>()
  const seen = new Set<string>()
  let last = ''
  for (const line of text.replace(/\n+$/, '').split('\n')) {
    const field = /^([!-9;-~]+):(?:[ \t]*)(.*)$/.exec(line)
    if (/^[ \t]+\S/.test(line) && last !== '') fields.set(last, `${fields.get(last)}\n${line}`)
    else if (field !== null && !seen.has(field[1]!.toLowerCase())) {
      seen.add(field[1]!.toLowerCase())
      fields.set((last = field[1]!), field[2]!)
    } else return undefined
  }
  return fields
}

/** What a package is in a Packages file: sorted by it, replaced by it. */
export function stanzaKey(text: string): string {
  const field = (name: string): string => new RegExp(`^${name}: *(.*)$`, 'm').exec(text)?.[1] ?? ''
  return `${field('Package')} ${field('Version')} ${field('Architecture')}`
}

/** A Packages file with these stanzas in it, each in the place of one with the same key. */
export function mergePackages(before: string, stanzas: readonly string[]): string {
  const all = new Map(splitPackages(before).map(stanza => [stanzaKey(stanza), stanza]))
  for (const stanza of stanzas) all.set(stanzaKey(stanza), stanza)
  return [...all].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, stanza]) => `${stanza}\n\n`).join('')
}

function splitPackages(text: string): string[] {
  return text.split('\n\n').filter(stanza => stanza !== '')
}
