import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'

/** One repository as apt's configuration names it. `signedBy` is what stands there: a keyring path, an embedded key, fingerprints, or nothing. */
export type MachineSource = { uri: string; suite: string; components: string[]; architectures: string[] | undefined; signedBy: string | undefined }

/** What /etc/apt/sources.list and sources.list.d say, both in one-line and in deb822 style (sources.list(5)). */
export async function machineSources(etc = '/etc/apt'): Promise<MachineSource[]> {
  const parts = join(etc, 'sources.list.d')
  const names = await readdir(parts).catch(() => [])
  const files = [join(etc, 'sources.list'), ...names.toSorted((a, b) => (a < b ? -1 : 1)).map(name => join(parts, name))]
  const found = await Promise.all(
    files.map(async file => {
      const text = await readFile(file, 'utf8').catch(() => '')
      if (file.endsWith('.list')) return oneLineSources(text)
      return file.endsWith('.sources') ? deb822Sources(text) : []
    }),
  )
  return found.flat()
}

export function oneLineSources(text: string): MachineSource[] {
  return text.split('\n').flatMap(line => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)\s*(?:#.*)?$/.exec(line)
    if (match === null) return []
    const [, optionText = '', uri = '', suite = '', components = ''] = match
    const options = new Map(optionText.split(/\s+/).map(option => [option.split('=')[0]!.toLowerCase(), option.slice(option.indexOf('=') + 1)]))
    return [{ uri, suite, components: components.split(/\s+/).filter(Boolean), architectures: options.get('arch')?.split(','), signedBy: options.get('signed-by') }]
  })
}

export function deb822Sources(text: string): MachineSource[] {
  return stanzas(text).flatMap(fields => {
    const words = (field: string) => fields.get(field)?.split(/\s+/).filter(Boolean) ?? []
    if (!words('types').includes('deb') || /^(no|false|0|off|without|disable)$/i.test(fields.get('enabled') ?? '')) return []
    const architectures = fields.has('architectures') ? words('architectures') : undefined
    return words('uris').flatMap(uri => words('suites').map(suite => ({ uri, suite, components: words('components'), architectures, signedBy: fields.get('signed-by') })))
  })
}

/** Paragraphs of `Field: value` with continuation lines; comment lines do not end them (deb822(5)). Field names in lower case. */
export function stanzas(text: string): Map<string, string>[] {
  const all: Map<string, string>[] = []
  let fields = new Map<string, string>()
  let last = ''
  for (const line of [...text.split('\n'), '']) {
    if (line.startsWith('#')) continue
    if (line.trim() === '') {
      if (fields.size > 0) all.push(fields)
      fields = new Map()
    } else if (/^[ \t]/.test(line)) fields.set(last, `${fields.get(last) ?? ''}\n${line.trim()}`)
    else {
      last = line.slice(0, line.indexOf(':')).toLowerCase()
      fields.set(last, line.slice(line.indexOf(':') + 1).trim())
    }
  }
  return all
}

/**
 * Whether a machine's source may be Debian's own: it names the Debian archive keyring, or leaves the key open, in which case the
 * signature on its InRelease decides. One with another key is somebody else's and is not even asked.
 */
export function mayBeDebian(source: MachineSource): boolean {
  if (source.signedBy === undefined || source.signedBy === '') return true
  return source.signedBy.split(/[\s,]+/).some(path => basename(path).startsWith('debian-archive-'))
}
