import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Type from 'typebox'
import { writeDurably } from '../../../appliance/core/durable-file.ts'
import { DrydockError, isErrno } from '../../../appliance/core/error.ts'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { checkShape } from '../../format/check.ts'
import { normalisedName } from '../../format/pypi-name.ts'
import type { HttpSettings } from '../fetch/http.ts'
import { markerEnvironment, type PythonTarget } from './targets.ts'

export type Pip = { python: string; environment: NodeJS.ProcessEnv; http: HttpSettings }
/** One wheel that pip chose, with the hash that the index gives for it, and the reason when its authors withdrew the release. */
export type ChosenWheel = { name: string; version: string; url: string; sha256: string; yanked?: string; /** Requires-Dist, and the extras that were asked for by name. */ requiresDist: string[]; extras: string[] }
/** Lines of a requirements file, or the path of one. `alone` leaves out dependencies: the lines are a lock already. */
export type Requirements = { what: string; alone?: boolean } & ({ lines: readonly string[] } | { file: string })

const Report = Type.Object({
  install: Type.Array(
    Type.Object({
      download_info: Type.Object({ url: Type.String(), archive_info: Type.Optional(Type.Object({ hash: Type.Optional(Type.String()), hashes: Type.Optional(Type.Record(Type.String(), Type.String())) })) }),
      requested_extras: Type.Optional(Type.Array(Type.String())),
      metadata: Type.Object({ name: Type.String(), version: Type.String(), requires_dist: Type.Optional(Type.Array(Type.String())) }),
    }),
  ),
})

/**
 * pip evaluates markers (`platform_machine == "aarch64"`, `python_version < "3.12"`) for the Python that runs it, whatever --platform
 * and --python-version say; so the target's values stand in for those of this machine.
 */
const PIP_FOR_TARGET = `
import json, sys
from pip._vendor.packaging import markers
target, here = json.loads(sys.argv.pop(1)), markers.default_environment
markers.default_environment = lambda: {**here(), **target}
from pip._internal.cli.main import main
sys.exit(main(sys.argv[1:]))
`
const EVALUATE_MARKERS = `
import json, sys
from pip._vendor.packaging.markers import Marker, default_environment
asked = json.load(sys.stdin)
environment = {**default_environment(), **asked['environment'], 'extra': ''}
print(json.dumps([Marker(text).evaluate(environment) for text in asked['markers']]))
`

/**
 * The machine's pip and how it reaches its index. PIP_FIND_LINKS is emptied: wheels that lie about on this machine have no upstream.
 * @throws DD-COLLECT-015 when there is none that can report what it would install (22.2).
 */
export async function findPip(environment: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Pip> {
  const ours = { ...environment, PIP_FIND_LINKS: '', PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_NO_INPUT: '1' }
  for (const python of ['/usr/bin/python3', 'python3', 'python']) {
    const version = await runProgram(python, { args: ['-c', 'import pip; import pip._vendor.packaging.markers; print(pip.__version__)'], env: ours, signal, accept: [0, 1] }).catch((failure: unknown) => {
      if (failure instanceof DrydockError && failure.code === 'DD-CORE-008') return undefined
      throw failure
    })
    const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(version?.stdout.toString('utf8') ?? '') ?? []
    if (Number(major) > 22 || (Number(major) === 22 && Number(minor) >= 2)) return { python, environment: ours, http: await httpSettings(python, ours, signal) }
  }
  throw new DrydockError('DD-COLLECT-015', 'expected a Python with pip 22.2 or newer, found none', 'install it: apt-get install python3-pip')
}

/** `cert`, `proxy` and the credentials in index addresses, as `pip config list` and the environment say them. */
async function httpSettings(python: string, environment: NodeJS.ProcessEnv, signal: AbortSignal): Promise<HttpSettings> {
  const { stdout } = await runProgram(python, { args: ['-m', 'pip', 'config', 'list'], env: environment, signal })
  const settings = new Map<string, string>()
  // Later sections win in pip: global, then install, then the environment.
  for (const section of ['global', 'install', ':env:']) {
    for (const [, where, key = '', value = ''] of stdout.toString('utf8').matchAll(/^([^.\n]+)\.([\w-]+)='(.*)'$/gm)) if (where === section) settings.set(key, value)
  }
  const cert = settings.get('cert') ?? environment['REQUESTS_CA_BUNDLE'] ?? environment['CURL_CA_BUNDLE']
  const ca = cert === undefined ? undefined : await readFile(cert, 'utf8').catch((failure: unknown) => {
    if (isErrno(failure, 'ENOENT') || isErrno(failure, 'EISDIR')) return undefined
    throw failure
  })
  const proxy = settings.get('proxy')
  const indexes = [settings.get('index-url'), ...(settings.get('extra-index-url') ?? '').split(/\s+|\\n/)].filter(url => url !== undefined && URL.canParse(url)).map(url => new URL(url!))
  return {
    ...(ca === undefined ? {} : { ca }),
    proxy: {
      HTTP_PROXY: proxy ?? environment['HTTP_PROXY'] ?? environment['http_proxy'],
      HTTPS_PROXY: proxy ?? environment['HTTPS_PROXY'] ?? environment['https_proxy'],
      NO_PROXY: environment['NO_PROXY'] ?? environment['no_proxy'],
    },
    headersFor(url) {
      const index = indexes.find(candidate => candidate.host === url.host && candidate.username !== '')
      if (index === undefined) return {}
      return { authorization: `Basic ${Buffer.from(`${decodeURIComponent(index.username)}:${decodeURIComponent(index.password)}`).toString('base64')}` }
    },
  }
}

/**
 * pip's own resolution, without installing or building anything: `--dry-run --report`.
 * @throws DD-COLLECT-008 when no wheels fit, DD-COLLECT-004 when a hash is missing or wrong.
 */
export async function resolveWheels(pip: Pip, target: PythonTarget, input: Requirements, signal: AbortSignal): Promise<ChosenWheel[]> {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-pip-'))
  try {
    const report = join(folder, 'report.json')
    const requirements = 'file' in input ? input.file : join(folder, 'requirements.txt')
    if ('lines' in input) await writeDurably(requirements, `${input.lines.join('\n')}\n`)
    const { stdout, stderr, code } = await runProgram(pip.python, {
      args: [
        '-c', PIP_FOR_TARGET, JSON.stringify(markerEnvironment(target)),
        'install', '--no-color', '--progress-bar', 'off', '--dry-run', '--ignore-installed', '--only-binary=:all:', '--implementation', target.implementation, '--python-version', target.python,
        ...target.platforms.flatMap(platform => ['--platform', platform]), ...target.abis.flatMap(abi => ['--abi', abi]), ...(input.alone === true ? ['--no-deps'] : []),
        '--target', join(folder, 'target'), '--report', report, '-r', requirements,
      ],
      env: pip.environment,
      cwd: folder,
      signal,
      accept: [0, 1, 2],
    })
    if (code !== 0) throw pipFault(input.what, target, `${stdout.toString('utf8')}\n${stderr}`)
    const withdrawn = yankedIn(stderr)
    const { install } = checkShape(Report, JSON.parse(await readFile(report, 'utf8')), 'report of pip')
    return install.map(({ download_info: { url, archive_info }, metadata: { name, version, requires_dist: requiresDist = [] }, requested_extras: extras = [] }) => {
      const sha256 = archive_info?.hashes?.['sha256'] ?? /^sha256=([0-9a-f]{64})$/.exec(archive_info?.hash ?? '')?.[1]
      if (sha256 === undefined) throw new DrydockError('DD-COLLECT-004', `expected a sha256 for ${name} ${version} in the index, found none`, 'use an index that gives sha256 hashes (PEP 503)')
      const yanked = withdrawn.get(`${normalisedName(name)}==${version}`)
      return { name: normalisedName(name), version, url, sha256, requiresDist, extras, ...(yanked === undefined ? {} : { yanked }) }
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What pip warns of (PEP 592): it takes a yanked release only when it is pinned. */
function yankedIn(stderr: string): Map<string, string> {
  const found = stderr.matchAll(/yanked version: '([^']+)' candidate \(version (\S+) at [^\n]*\n(?:Reason for being yanked: (.*))?/g)
  return new Map([...found].map(([, name = '', version = '', reason = '']) => [`${normalisedName(name)}==${version}`, reason.trim() === '<none given>' ? '' : reason.trim().slice(0, 200)]))
}

/** Whether each marker (PEP 508) holds on the target, by pip's own evaluation. */
export async function evaluateMarkers(pip: Pip, target: PythonTarget, markers: readonly string[], signal: AbortSignal): Promise<Map<string, boolean>> {
  if (markers.length === 0) return new Map()
  const input = JSON.stringify({ environment: markerEnvironment(target), markers })
  const { stdout } = await runProgram(pip.python, { args: ['-c', EVALUATE_MARKERS], env: pip.environment, input, signal, timeout: 60_000 })
  const holds = checkShape(Type.Array(Type.Boolean()), JSON.parse(stdout.toString('utf8')), 'markers as pip evaluates them')
  return new Map(markers.map((marker, index) => [marker, holds[index] === true]))
}

function pipFault(what: string, target: PythonTarget, said: string): DrydockError {
  if (/connection error|connection broken|Max retries exceeded|NewConnectionError|Read timed out|SSLError/.test(said) && !/from versions: [^n(]/.test(said)) {
    return new DrydockError('DD-COLLECT-005', `expected the Python index to answer for ${what}, found it out of reach`, 'check the network and `pip config list`, then run the command again: what was fetched is kept')
  }
  if (/DO NOT MATCH THE HASHES/.test(said)) {
    const which = /^\s+(\S+) from /m.exec(said)?.[1] ?? what
    return new DrydockError('DD-COLLECT-004', `expected ${which} with the hash in the requirements, found another`, 'nothing of it was kept; ask the index for a clean copy, or correct the hash')
  }
  const missing = /No matching distribution found for (.+)/.exec(said)?.[1]
  const versions = /\(from versions: (.*)\)/.exec(said)?.[1]
  if (missing !== undefined && versions === 'none') {
    return new DrydockError('DD-COLLECT-008', `expected a wheel for ${missing.trim()} (Python ${target.python}), found none for this platform`, 'check the name; what has no wheel for this Python and platform cannot be collected')
  }
  const last = missing === undefined ? said.trim().split('\n').findLast(line => line.startsWith('ERROR: '))?.slice(7, 300) : undefined
  return new DrydockError(
    'DD-COLLECT-008',
    missing === undefined ? `expected wheels for ${what} that fit together, found ${last ?? 'that pip failed'}` : `expected a wheel for ${missing.trim()} (Python ${target.python}), found other versions${versions === undefined ? '' : `: …${versions.slice(-80)}`}`,
    'pin a version that has a wheel for this Python and platform',
  )
}
