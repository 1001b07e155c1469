import type { Schema } from '../../ui/client/client.ts'
import { durationText } from './output.ts'

type ImportRecord = Schema<'ImportRecord'>
type Definitions = NonNullable<NonNullable<ImportRecord['scans']>[number]['definitions']>

/** Who looked at an import, or will; with an appliance that has no scanner, that nobody does. */
export function scanLines({ preflight, scans, state }: ImportRecord): string[] {
  if (preflight?.control !== undefined) return []
  if (scans !== undefined) {
    const unscanned = (preflight?.scanners ?? []).filter(({ name }) => !scans.some(({ scanner }) => scanner === name)).map(({ name }) => `not scanned by ${name}: it has no definitions`)
    const told = scans.map(({ scanner, version, definitions, files, seconds, findings }) =>
      `by ${named(scanner, version)}${aged(definitions)}: ${files} ${files === 1 ? 'file' : 'files'} in ${durationText(seconds)}, ${findings === 0 ? 'nothing found' : `${findings} ${findings === 1 ? 'finding' : 'findings'}`}`)
    return told.length + unscanned.length === 0 ? ['by nobody: this appliance has no scanner'] : [...told, ...unscanned]
  }
  if (state !== 'verified' && state !== 'parked') return []
  const known = (preflight?.scanners ?? []).map(({ name, version, definitions }) => `will be by ${named(name, version)}${definitions === null ? ', which has no definitions yet' : aged(definitions)}`)
  return known.length === 0 ? ['by nobody: this appliance has no scanner'] : known
}

const named = (name: string, version: string): string => (version === '' ? name : `${name} ${version}`)
const aged = (definitions: Definitions | null | undefined): string => (definitions === undefined || definitions === null ? '' : `, definitions ${definitions.ageDays} ${definitions.ageDays === 1 ? 'day' : 'days'} old`)
