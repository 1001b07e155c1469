import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { World } from '../world.ts'

/** One volume file, signed by both keys, checked by the product and by hand. */
export async function buildAndCheckBundle(world: World): Promise<void> {
  const [ana, jon] = ['ana-ruiz', 'jon-berg'].map(name => join(world.keys, name))
  await world.drydock('ana', ['bundle', 'build', world.workspace, '--site', 'site-a', '--key', `${ana}.key`, '--out', world.media])
  const name = readdirSync(world.media).find(file => file.endsWith('.drydock'))
  if (name === undefined) throw new Error('expected a volume file, found none')
  const bundle = join(world.media, name)
  world.show.line('one signature is not enough yet:')
  await world.drydock('ana', ['bundle', 'verify', bundle, '--trust', join(world.keys, 'trust.json')], { expect: 3 })
  await world.drydock('jon', ['bundle', 'sign', bundle, '--key', `${jon}.key`])
  await world.drydock('ana', ['bundle', 'verify', bundle, '--trust', join(world.keys, 'trust.json')])
  world.facts['bundle'] = bundle
  world.show.fact('bundle', `${name}, ${statSync(bundle).size} bytes`)

  world.show.line('by hand, as the README shows:')
  const place = join(world.scratch, 'by-hand')
  mkdirSync(place, { recursive: true })
  const gnupg = join(world.scratch, 'gnupg')
  mkdirSync(gnupg, { recursive: true, mode: 0o700 })
  const env = { ...process.env, GNUPGHOME: gnupg }
  await world.program('tar', ['-xf', bundle, '-C', place], { quiet: true })
  await world.program('gpg', ['--quiet', '--batch', '--import', `${ana}.pub`, `${jon}.pub`], { env, quiet: true })
  await world.program('gpg', ['--batch', '--verify', 'manifest.json.asc', 'manifest.json'], { env, cwd: place })
  await world.program('sh', ['-ec', `jq -r '.index[] | .digest[7:] + "  " + .name' manifest.json | sha256sum -c`], { cwd: place })
  await world.program('sh', ['-ec', `cat index/* | zstd -dc | jq -r 'select(.entry).entry | .digest[7:] + "  " + .name' | sha256sum -c --quiet && echo every payload entry is what the index says`], { cwd: place })
  await world.program('gpgconf', ['--kill', 'all'], { env, quiet: true })
  await world.program('rm', ['-rf', place, gnupg], { quiet: true })
}
