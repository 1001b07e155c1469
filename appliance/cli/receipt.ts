import { join } from 'node:path'
import type { Command } from 'commander'
import { importName } from '../../bundles/format/import-record.ts'
import { writeDurably } from '../core/durable-file.ts'
import { answerOf, openAppliance } from './appliance.ts'
import { outputOf } from './output.ts'
import { at, listOptions, printList, short } from './table.ts'

export function register(program: Command): void {
  const noun = program.command('receipt').description('Signed receipts: what the appliance says it now holds. With one the sender makes the next, smaller bundle.')
  listOptions(noun.command('list').description('Imports that have a receipt.')).action(async (_options: unknown, command: Command) => {
    const { client } = await openAppliance()
    const imports = (await answerOf(client.GET('/api/v1/imports'))).filter(record => record.receipt !== null)
    printList(command, imports, {
      import: importName,
      generation: row => row.generation ?? '–',
      at: row => at(row.updatedAt),
      receipt: row => short(row.receipt),
    }, 'no import is done yet')
  })
  noun
    .command('export')
    .description('Write a receipt and its signature as files, for export media. That it was taken out is audited.')
    .argument('<id>', 'the import, like demo-3: the stream and its sequence; or its id')
    .argument('[folder]', 'where to', '.')
    .action(async (id: string, folder: string, _options: unknown, command: Command) => {
      const output = outputOf(command)
      const { client } = await openAppliance()
      const { receipt, signature } = await answerOf(client.GET('/api/v1/imports/{id}/receipt', { params: { path: { id }, query: { export: 'true' } } }))
      const file = join(folder, `receipt-${id}.json`)
      await writeDurably(file, receipt, { mode: 0o644 })
      await writeDurably(`${file}.asc`, signature, { mode: 0o644 })
      output.line(`${file} and ${file}.asc`)
      output.line(`check it with the appliance's key: gpg --verify ${file}.asc ${file}`, 'dim')
      output.record({ receipt: file, signature: `${file}.asc` })
    })
}
