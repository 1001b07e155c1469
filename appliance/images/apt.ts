import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DrydockError } from '../core/error.ts'
import { programEnvironment, runProgram } from '../core/run-program.ts'
import { packagesIndex, statusFile, type Deb } from './debs.ts'

/** Debian's own resolver over a generation's packages. */
export type Apt = {
  /** What apt would install for these names over what is installed. @throws DD-IMAGE-003 when it cannot, or would remove something. */
  closure(names: readonly string[], installed: readonly Deb[], what: string): Promise<Deb[]>
}

const SOURCE = 'deb [trusted=yes] copy:///repository ./'

/** apt in a folder of its own: neither the machine's configuration nor its packages are looked at, and nothing is installed. */
export async function openApt(folder: string, debs: readonly Deb[], where: { generation: number; arch: string; signal: AbortSignal }): Promise<Apt> {
  const repository = join(folder, 'repository')
  for (const name of ['repository', 'etc/apt.conf.d', 'etc/preferences.d', 'state/lists/partial', 'cache/archives/partial', 'log']) await mkdir(join(folder, name), { recursive: true })
  await writeFile(join(repository, 'Packages'), packagesIndex(debs))
  await writeFile(join(folder, 'etc/sources.list'), `${SOURCE.replace('/repository', repository)}\n`)
  await writeFile(join(folder, 'state/status'), '')
  const settings = {
    Dir: `${folder}/`,
    'Dir::Etc': 'etc/',
    'Dir::State': 'state/',
    'Dir::State::status': join(folder, 'state/status'),
    'Dir::Cache': 'cache/',
    'Dir::Log': 'log/',
    'Dir::Bin::methods': '/usr/lib/apt/methods',
    'Dir::Bin::dpkg': '/usr/bin/dpkg',
    'APT::Architecture': where.arch,
    'APT::Architectures': where.arch,
    'APT::Install-Recommends': 'false',
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Debug::NoLocking': 'true',
  }
  const config = join(folder, 'apt.conf')
  await writeFile(config, Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`).join(''))
  const env = programEnvironment({ APT_CONFIG: config, HOME: '/nonexistent' })
  const apt = async (args: string[]): Promise<{ code: number; text: string }> => {
    const { stdout, stderr, code } = await runProgram('apt-get', { args, env, signal: where.signal, accept: [0, 100], package: 'apt' })
    return { code, text: `${stdout.toString('utf8')}\n${stderr}` }
  }
  const updated = await apt(['-q', 'update'])
  if (updated.code !== 0) throw cannot('the package index', updated.text, where)
  const byVersion = new Map(debs.map(deb => [`${deb.name} ${deb.version}`, deb]))

  return {
    async closure(names, installed, what) {
      if (names.length === 0) return []
      await writeFile(join(folder, 'state/status'), statusFile(installed))
      const { code, text } = await apt(['-q', '-s', '-y', '--no-remove', 'install', ...names])
      if (code !== 0) throw cannot(what, text, where)
      // `Inst libc6 (2.36-9+deb12u14 … [amd64])`; an upgrade of what is below would read `Inst libc6 [old] (new …)`.
      const chosen = [...text.matchAll(/^Inst (\S+?)(?::\S+)?( \[[^\]]*\])? \((\S+) /gm)].map(([, name, old, version]) => {
        if (old !== undefined) throw cannot(what, `it would replace ${name} ${old.trim()} of a layer below by ${version}`, where)
        return byVersion.get(`${name} ${version}`)!
      })
      return chosen.sort((a, b) => (a.name < b.name ? -1 : 1))
    },
  }
}

function cannot(what: string, said: string, { generation }: { generation: number }): DrydockError {
  const lines = said.split('\n')
  const unknown = [...said.matchAll(/Unable to locate package (\S+)|Package '?(\S+?)'? has no installation candidate/g)].map(match => match[1] ?? match[2])
  const unmet = lines.map(line => /^\s*(\S+ : )?(?:Pre)?Depends: (.+?) but (.+)$/.exec(line)?.[2]).filter(name => name !== undefined)
  const missing = [...new Set([...unknown, ...unmet])]
  const found = missing.length > 0 ? `nothing for ${missing.slice(0, 8).join(', ')}` : (lines.find(line => line.startsWith('E: '))?.slice(3) ?? said.trim().split('\n').at(-1) ?? 'a failure')
  const first = missing[0]?.split(' ')[0]
  return new DrydockError(
    'DD-IMAGE-003',
    `expected the packages of ${what} to be installable from generation ${generation}, found ${found}`,
    first === undefined ? 'bring the packages with their dependencies in a bundle' : `bring ${first} with its dependencies in a bundle: collect it for the same suite`,
  )
}
