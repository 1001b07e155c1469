/** One paragraph of a Packages file (deb822): fields in order, each value with its continuation lines as they stand. */
export type Stanza = ReadonlyMap<string, string>

/** @returns undefined when the text is not exactly one paragraph of well-formed fields: an empty line in it would start another package. */
export function parseStanza(text: string): Stanza | undefined {
  const fields = new Map<string, string>()
  let last = ''
  for (const line of text.replace(/\n+$/, '').split('\n')) {
    const field = /^([!-9;-~]+):(?:[ \t]*)(.*)$/.exec(line)
    if (/^[ \t]+\S/.test(line) && last !== '') fields.set(last, `${fields.get(last)}\n${line}`)
    else if (field !== null && !fields.has(field[1]!)) fields.set((last = field[1]!), field[2]!)
    else return undefined
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
