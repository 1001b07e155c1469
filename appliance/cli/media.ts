import type { Command } from 'commander'
import { importName } from '../../bundles/format/import-record.ts'
import type { Schema } from '../../ui/client/client.ts'
import { answerOf, openAppliance } from './appliance.ts'
import { byteText, outputOf } from './output.ts'

export function register(program: Command): void {
  const noun = program.command('media').description('Sticks and discs at the appliance. Plugging one in starts the imports of its bundles, as far as the preflight.')
  noun
    .command('list')
    .description('What is plugged in, what is on it, and what became of it; with the watch folders and media roots.')
    .action(async (_options: unknown, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const [media, imports] = await Promise.all([answerOf(client.GET('/api/v1/media')), answerOf(client.GET('/api/v1/imports'))])
      if (media.length === 0) output.line('nothing is plugged in, and no folder is configured', 'dim')
      for (const medium of media) {
        output.record(medium)
        const facts = [medium.label, medium.fileSystem, medium.serial, medium.size === null ? null : byteText(medium.size)].filter(fact => fact !== null)
        output.line(`${medium.id}  ${facts.length > 0 ? facts.join(' · ') : medium.kind.replace('-', ' ')}${medium.state === 'ready' ? '' : `  ${medium.state}`}`, medium.state === 'unreadable' ? 'bad' : 'strong')
        if (medium.why !== null) output.line(`  ${medium.why}`)
        if (medium.hint !== null) output.line(`  do: ${medium.hint}`)
        if (medium.bundles.length === 0 && medium.state === 'ready') output.line('  no bundles', 'dim')
        for (const bundle of medium.bundles) {
          const what = [bundle.sequence === null ? null : `sequence ${bundle.sequence}`, bundle.volume === null ? null : `volume ${bundle.volume}`].filter(fact => fact !== null)
          output.line(`  ${bundle.state.padEnd(9)} ${bundle.name}  ${byteText(bundle.size)}${what.length > 0 ? `  ${what.join(', ')}` : ''}`)
          if (bundle.why !== null) output.line(`            ${bundle.why}`)
          if (bundle.state === 'waiting' || bundle.state === 'failed') output.line(`            drydock import show ${nameOf(imports, bundle.import)}`, 'dim')
        }
      }
    })
}

/** As commands take it and people can tell it apart; the id where several have that name. */
function nameOf(imports: readonly Schema<'ImportRecord'>[], id: string | null): string {
  const record = imports.find(one => one.id === id)
  if (record === undefined) return id ?? ''
  const name = importName(record)
  return imports.filter(other => importName(other) === name).length > 1 ? record.id : name
}
