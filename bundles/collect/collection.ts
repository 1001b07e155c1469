import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import Type from 'typebox'
import { parseDocument } from 'yaml'
import { DrydockError } from '../../appliance/core/error.ts'
import { checkShape } from '../format/check.ts'
import { BuiltAt } from '../format/definitions.ts'
import { COLLECTION_BYTES } from './limits.ts'

const strict = { additionalProperties: false }
const Path = Type.String({ minLength: 1, maxLength: 1024 })
const Suite = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' })
const DebianWish = Type.String({ pattern: '^[a-z0-9][a-z0-9+.-]{0,126}(/[a-z0-9][a-z0-9-]{0,62}|=[A-Za-z0-9.+:~-]{1,128})?$' })

/** An apt source that is not the machine's own. `signedBy` is a keyring file, beside the collection file or absolute. */
export const AptSource = Type.Object({ uri: Type.String({ pattern: '^[a-z+]+:' }), suites: Type.Array(Suite, { minItems: 1 }), components: Type.Array(Type.String({ pattern: '^[A-Za-z0-9-]+$' }), { minItems: 1 }), signedBy: Path }, strict)
export type AptSource = Type.Static<typeof AptSource>

/** `collection.yaml`: what one bundle shall hold. Paths are relative to the file. */
export const Collection = Type.Object(
  {
    apiVersion: Type.Literal('drydock/v1'),
    kind: Type.Literal('Collection'),
    name: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' }),
    /** One architecture, or the first of several: where an arch is left open elsewhere. Default amd64, or the first of `architectures`. */
    arch: Type.Optional(Arch()),
    /** Machines that the content is for: roles, bases, apt, npm and pypi bring each of them. Default: `arch` alone. */
    architectures: Type.Optional(Type.Array(Arch(), { minItems: 1, uniqueItems: true })),
    /** The lock's time. Without it: SOURCE_DATE_EPOCH, the former lock's when nothing changed, the newest apt Release, the clock. */
    created: Type.Optional(Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z$' })),
    /** Bases and roles by name (`debian-12`, `python-3.11`, `cmake:arm64`): their packs come along with all that their images need, for each architecture. */
    roles: Type.Optional(Type.Array(Type.String({ pattern: '^[a-z0-9][a-zA-Z0-9+.-]{0,127}(:[a-z0-9]{1,16})?$' }), { uniqueItems: true })),
    /** Folders or files with packs of the site's own; they win over those that ship. */
    rolePacks: Type.Optional(Type.Array(Path)),
    apt: Type.Optional(
      Type.Object(
        {
          /** `machine`: what /etc/apt says, as far as the Debian archive key signed it. */
          sources: Type.Optional(Type.Union([Type.Literal('machine'), Type.Array(AptSource, { minItems: 1 })])),
          /** Without it: the base's suite with its -updates and -security. */
          suites: Type.Optional(Type.Array(Suite, { minItems: 1, uniqueItems: true })),
          /** Brought with the closure of their dependencies, from nothing. Recommends are not. `name/suite` and `name=version` choose, as apt does. */
          packages: Type.Optional(Type.Array(DebianWish, { uniqueItems: true })),
        },
        strict,
      ),
    ),
    npm: Type.Optional(
      Type.Object(
        {
          /** Folders with the lock file of npm, pnpm (8 and later) or Yarn (1, 2 and later), or such a file itself. */
          projects: Type.Optional(Type.Array(Path)),
          /** `name`, `name@range`, `name@tag`, each with its dependencies. */
          packages: Type.Optional(Type.Array(Type.String({ pattern: '^(@[a-z0-9~._-]+/)?[A-Za-z0-9~._-]+(@[^\\s@:/]+)?$' }))),
          /** Machines that will install them: what cannot run there is left out. Default linux, x64 or arm64 by `arch`, glibc. */
          platforms: Type.Optional(Type.Array(Type.Object({ os: Type.String(), cpu: Type.String(), libc: Type.Optional(Type.String()) }, strict), { minItems: 1 })),
        },
        strict,
      ),
    ),
    pypi: Type.Optional(
      Type.Object(
        {
          python: Type.Optional(PythonVersion()),
          /** pip's platform tags. Default: every manylinux tag that Debian 12 (glibc 2.36) can run, for each of `architectures`. */
          platforms: Type.Optional(PlatformTags()),
          /** Instead of `python` and `platforms`: several Pythons, each with everything. `abis` only when pip's own choice for the version is not wanted. */
          targets: Type.Optional(
            Type.Array(
              Type.Object(
                { python: PythonVersion(), arch: Type.Optional(Arch()), platforms: Type.Optional(PlatformTags()), implementation: Type.Optional(Type.Union([Type.Literal('cp'), Type.Literal('pp'), Type.Literal('py')])), abis: Type.Optional(PlatformTags()) },
                strict,
              ),
              { minItems: 1 },
            ),
          ),
          /** As in a requirements file, one each. Several pins of one name are resolved apart. */
          requirements: Type.Optional(Type.Array(Type.String({ pattern: '^[A-Za-z0-9]', maxLength: 512 }))),
          /** Whole requirements files (also those of pip-tools); their hashes are checked by pip. */
          requirementFiles: Type.Optional(Type.Array(Path)),
          /** Folders with uv.lock, or such a file itself: every extra and group, as far as its markers hold on a target. */
          projects: Type.Optional(Type.Array(Path)),
          /** Releases that their authors withdrew (PEP 592) are refused unless this is true. */
          allowYanked: Type.Optional(Type.Boolean()),
        },
        strict,
      ),
    ),
    oci: Type.Optional(
      Type.Array(
        Type.Union([
          /** `host/name:tag` or `host/name@sha256:…`; `${NAME}` is taken from the environment. */
          Type.Object({ reference: Type.String({ minLength: 1, maxLength: 512 }), as: Type.Optional(ImageName()), ...choice() }, strict),
          /** A folder in OCI layout, or an archive of one (tar), or what `docker save` writes; `tag` picks one image of several. */
          Type.Object({ layout: Path, tag: Type.Optional(Type.String()), as: ImageName(), ...choice() }, strict),
          Type.Object({ archive: Path, tag: Type.Optional(Type.String()), as: ImageName(), ...choice() }, strict),
          Type.Object({ dockerArchive: Path, tag: Type.Optional(Type.String()), as: ImageName() }, strict),
        ]),
      ),
    ),
    files: Type.Optional(
      Type.Array(
        Type.Union([
          /** A file or folder. `sha256` is for a single file. */
          Type.Object({ path: Path, sha256: Type.Optional(Sha256()), ...served() }, strict),
          /** An address, whose bytes are known beforehand. `name` is the file's name when the address ends in another. */
          Type.Object({ url: Url(), sha256: Sha256(), name: Type.Optional(FileName()), ...served() }, strict),
        ]),
      ),
    ),
    /** A folder with ClamAV's databases (/var/lib/clamav, as freshclam fills it). `built` when there are only loose ones. */
    clamav: Type.Optional(Type.Object({ path: Path, built: Type.Optional(BuiltAt) }, strict)),
    /** Disk images and installers (raw, qcow2, ISO) by their hash; served as files under /files/images/ unless `to` says otherwise. */
    images: Type.Optional(
      Type.Array(
        Type.Union([
          Type.Object({ path: Path, sha256: Sha256(), ...served() }, strict),
          Type.Object({ url: Url(), sha256: Sha256(), name: Type.Optional(FileName()), ...served() }, strict),
        ]),
      ),
    ),
  },
  strict,
)
export type Collection = Type.Static<typeof Collection>
export type OciWant = NonNullable<Collection['oci']>[number]
export type FileWant = NonNullable<Collection['files']>[number]

function ImageName() {
  return Type.String({ pattern: '^[a-z0-9]+([._/-][a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$' })
}

function choice() {
  return {
    /** `linux/amd64`, `linux/arm/v7`, or several: of an index only these manifests come. Default: all. */
    platform: Type.Optional(Type.Union([Platform(), Type.Array(Platform(), { minItems: 1, uniqueItems: true })])),
    /** What refers to the image (signatures, SBOMs, attestations): by OCI 1.1 `subject` and by cosign's tags. */
    referrers: Type.Optional(Type.Boolean()),
  }
}

function served() {
  return { /** Folder under /files/ where it is served. */ to: Type.Optional(Type.String({ maxLength: 512 })), version: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })) }
}

function Platform() {
  return Type.String({ pattern: '^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?$' })
}

function Arch() {
  return Type.Union([Type.Literal('amd64'), Type.Literal('arm64')])
}

function PythonVersion() {
  return Type.String({ pattern: '^3\\.\\d{1,2}$' })
}

function PlatformTags() {
  return Type.Array(Type.String({ pattern: '^[a-z0-9_]+$' }), { minItems: 1 })
}

function Sha256() {
  return Type.String({ pattern: '^[0-9a-f]{64}$' })
}

function Url() {
  return Type.String({ pattern: '^https?://', maxLength: 2048 })
}

function FileName() {
  return Type.String({ pattern: '^[^/]+$', maxLength: 255 })
}

/**
 * Reads and checks the collection file. Paths in it become absolute.
 * @throws DD-COLLECT-001 when it cannot be read or is not YAML, DD-CORE-009 when a field is unknown or wrong, DD-COLLECT-014 for an unset variable.
 */
export async function readCollection(path: string, environment: NodeJS.ProcessEnv): Promise<Collection> {
  const bytes = await readFile(path).catch((failure: unknown) => {
    throw new DrydockError('DD-COLLECT-001', `expected a collection file at ${path}, found none that can be read`, 'name the YAML file that says what to collect', { cause: failure })
  })
  if (bytes.length > COLLECTION_BYTES) throw new DrydockError('DD-CORE-010', `expected ${path} to be at most ${COLLECTION_BYTES} bytes, found ${bytes.length}`, 'split the collection')
  const document = parseDocument(bytes.toString('utf8'), { uniqueKeys: true })
  const fault = document.errors[0]
  if (fault !== undefined) {
    const line = fault.linePos?.[0].line
    throw new DrydockError('DD-COLLECT-001', `expected ${path} to be YAML, found a fault${line === undefined ? '' : ` in line ${line}`} (${fault.code})`, 'correct that line', { cause: fault })
  }
  return located(checkShape(Collection, document.toJS({ maxAliasCount: 0 }), `collection ${path}`), dirname(resolve(path)), environment)
}

function located(collection: Collection, folder: string, environment: NodeJS.ProcessEnv): Collection {
  const at = (path: string) => resolve(folder, path)
  const { apt, npm, pypi, oci, files, images, clamav, rolePacks } = collection
  return {
    ...collection,
    ...(rolePacks && { rolePacks: rolePacks.map(at) }),
    ...(apt && { apt: { ...apt, ...(Array.isArray(apt.sources) && { sources: apt.sources.map(source => ({ ...source, signedBy: at(source.signedBy) })) }) } }),
    ...(npm && { npm: { ...npm, ...(npm.projects && { projects: npm.projects.map(at) }) } }),
    ...(pypi && { pypi: { ...pypi, ...(pypi.requirementFiles && { requirementFiles: pypi.requirementFiles.map(at) }), ...(pypi.projects && { projects: pypi.projects.map(at) }) } }),
    ...(oci && { oci: oci.map(image => locatedImage(image, at, environment)) }),
    ...(files && { files: files.map(entry => ('path' in entry ? { ...entry, path: at(entry.path) } : entry)) }),
    ...(clamav && { clamav: { ...clamav, path: at(clamav.path) } }),
    ...(images && { images: images.map(entry => ('path' in entry ? { ...entry, path: at(entry.path) } : entry)) }),
  }
}

function locatedImage(image: OciWant, at: (path: string) => string, environment: NodeJS.ProcessEnv): OciWant {
  if ('reference' in image) return { ...image, reference: withVariables(image.reference, environment) }
  if ('layout' in image) return { ...image, layout: at(image.layout) }
  return 'archive' in image ? { ...image, archive: at(image.archive) } : { ...image, dockerArchive: at(image.dockerArchive) }
}

function withVariables(text: string, environment: NodeJS.ProcessEnv): string {
  return text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
    const value = environment[name]
    if (value === undefined || value === '') throw new DrydockError('DD-COLLECT-014', `expected ${name} in the environment for oci reference ${JSON.stringify(text)}, found none`, `run again with ${name}=host/name:tag before the command`)
    return value
  })
}
