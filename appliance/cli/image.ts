import type { Command } from 'commander'
import type { Schema } from '../../ui/client/client.ts'
import { DrydockError } from '../core/error.ts'
import { answerOf, openAppliance, type Appliance } from './appliance.ts'
import { byteText, outputOf } from './output.ts'
import { listOptions, printList, short } from './table.ts'

const roles = (image: Schema<'ImageManifest'>) => image.lock.roles.map(role => `${role.role}-${role.version}`).join(', ')

export function register(program: Command): void {
  const noun = program.command('image').description('Images that were baked, named by the SHA-256 of the raw disk.')
  listOptions(noun.command('list').description('All of them.')).action(async (_options: unknown, command: Command) => {
    const { client } = await openAppliance()
    printList(command, await answerOf(client.GET('/api/v1/images')), {
      image: row => short(row.digest),
      base: row => `${row.lock.base.name}-${row.lock.base.version}`,
      roles,
      layers: row => row.layers.length,
      packages: row => row.packages.length,
      size: row => byteText(row.size),
      spec: row => short(row.specDigest),
    }, 'no image yet: one is baked by drydock pool apply NAME')
  })
  noun
    .command('show')
    .description('One image: its layers with their dm-verity roots, and its packages.')
    .argument('<digest>', 'sha256:… or the beginning of its hex')
    .option('--packages', 'also every package')
    .action(async (digest: string, options: { packages?: true }, command: Command) => {
      const output = outputOf(command)
      const appliance = await openAppliance()
      const image = await find(appliance, digest)
      output.record(image)
      output.line(image.digest, 'strong')
      output.line(`spec       ${image.specDigest}`)
      output.line(`base       ${image.lock.base.name}-${image.lock.base.version} (${image.lock.arch}), kernel ${image.lock.base.kernel.name} ${image.lock.base.kernel.version}`)
      output.line(`roles      ${roles(image) || 'none'}`)
      for (const layer of image.layers) output.line(`layer      ${layer.name.padEnd(24)} ${byteText(layer.size).padStart(9)}  ${short(layer.digest)}  verity ${layer.verityRoot.slice(0, 16)}…`)
      if (options.packages === true) for (const one of image.packages) output.line(`package    ${one.name} ${one.version} ${one.architecture}`)
      else output.line(`packages   ${image.packages.length} (--packages shows them)`)
    })
}

async function find({ client }: Appliance, text: string): Promise<Schema<'ImageManifest'>> {
  const hex = text.replace(/^sha256:/, '').replace(/…$/, '')
  if (!/^[0-9a-f]{6,64}$/.test(hex)) throw new DrydockError('DD-CLI-002', `expected a digest or at least its first 6 hex digits, found ${JSON.stringify(text)}`, 'drydock image list shows them')
  if (hex.length === 64) return await answerOf(client.GET('/api/v1/images/{hex}', { params: { path: { hex } } }))
  const found = (await answerOf(client.GET('/api/v1/images'))).filter(image => image.digest.startsWith(`sha256:${hex}`))
  const [image] = found
  if (image === undefined || found.length > 1) throw new DrydockError('DD-CLI-012', `expected one image that begins with ${hex}, found ${found.length === 0 ? 'none' : found.length}`, 'drydock image list shows them')
  return image
}
