import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { openZip, type ZipEntry } from './zip.ts'

/** Debian's Python of any 3.x reads .pth files here. */
const SITE = 'usr/lib/python3/dist-packages'

/** Where a role's wheels live: a prefix of its own, so that two roles never write the same module. */
export function rolePrefix(role: { role: string; version: string }): string {
  return `opt/roles/${role.role}-${role.version}`
}

/** @returns the paths (from the root, without a leading slash) that a role's wheels write outside their own prefix. */
export async function wheelPathsOutside(path: string): Promise<string[]> {
  const zip = await openZip(path)
  try {
    return (await scriptsOf(zip)).map(script => `usr/local/bin/${script.name}`)
  } finally {
    await zip.close()
  }
}

/**
 * Installs wheels as the binary distribution format says (packaging.python.org, "Installing a wheel"), without byte code and without a record of
 * who installed when. `root` is the layer's folder.
 */
export async function installWheels(paths: readonly string[], role: { role: string; version: string }, root: string): Promise<void> {
  const prefix = rolePrefix(role)
  await mkdir(join(root, SITE), { recursive: true, mode: 0o755 })
  await put(join(root, SITE, `drydock-${role.role}.pth`), `/${prefix}\n`, 0o644)
  for (const path of paths) await installWheel(path, prefix, root)
}

async function installWheel(path: string, prefix: string, root: string): Promise<void> {
  const zip = await openZip(path)
  try {
    for (const entry of zip.entries) {
      if (entry.name.endsWith('/')) continue
      const place = placeOf(entry.name)
      if (place.scheme === 'scripts') continue
      await put(join(root, prefix, place.path), await zip.read(entry), (entry.mode & 0o111) === 0 ? 0o644 : 0o755)
    }
    for (const script of await scriptsOf(zip)) {
      await put(join(root, prefix, 'bin', script.name), script.text, 0o755)
      await mkdir(join(root, 'usr/local/bin'), { recursive: true, mode: 0o755 })
      await symlink(`/${prefix}/bin/${script.name}`, join(root, 'usr/local/bin', script.name))
    }
  } finally {
    await zip.close()
  }
}

type Place = { scheme: 'lib' | 'scripts' | 'headers' | 'data'; path: string }

/** `numpy-1.26.0.data/scripts/f2py` and its like go to their scheme, everything else is a library file. */
function placeOf(name: string): Place {
  const match = /^[^/]+\.data\/(purelib|platlib|scripts|headers|data)\/(.+)$/.exec(name)
  if (match === null) return { scheme: 'lib', path: name }
  const [, scheme, path] = match as unknown as [string, string, string]
  if (scheme === 'scripts') return { scheme, path }
  return { scheme: scheme === 'data' || scheme === 'headers' ? scheme : 'lib', path: scheme === 'headers' ? `include/${path}` : path }
}

async function scriptsOf(zip: { entries: ZipEntry[]; read(entry: ZipEntry): Promise<Buffer> }): Promise<{ name: string; text: Buffer | string }[]> {
  const scripts: { name: string; text: Buffer | string }[] = []
  for (const entry of zip.entries) {
    const place = placeOf(entry.name)
    if (place.scheme === 'scripts' && !place.path.includes('/')) {
      const bytes = await zip.read(entry)
      scripts.push({ name: place.path, text: bytes.subarray(0, 8).toString('latin1') === '#!python' ? bytes.toString('utf8').replace(/^#!python\S*/, '#!/usr/bin/python3') : bytes })
    } else if (/^[^/]+\.dist-info\/entry_points\.txt$/.test(entry.name)) {
      scripts.push(...entryPoints((await zip.read(entry)).toString('utf8')))
    }
  }
  return scripts.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** The [console_scripts] of entry_points.txt: `name = package.module:object [extras]`. */
function entryPoints(text: string): { name: string; text: string }[] {
  const scripts: { name: string; text: string }[] = []
  let section = ''
  for (const line of text.split('\n')) {
    const header = /^\s*\[(.+)\]\s*$/.exec(line)
    if (header !== null) section = header[1]!
    const point = /^\s*([\w.-]+)\s*=\s*([\w.]+)\s*:\s*([\w.]+)/.exec(line)
    if (section !== 'console_scripts' || point === null) continue
    const [, name, module, object] = point as unknown as [string, string, string, string]
    const top = object.split('.')[0]!
    scripts.push({ name, text: `#!/usr/bin/python3\nimport sys\nfrom ${module} import ${top}\nsys.exit(${object}())\n` })
  }
  return scripts
}

async function put(path: string, data: Buffer | string, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  await writeFile(path, data, { mode, flag: 'wx' })
}
