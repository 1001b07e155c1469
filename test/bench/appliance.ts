import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { answerOf, clientFor, type Appliance } from '../../appliance/cli/appliance.ts'
import { digestOfFile } from '../../appliance/core/digest.ts'
import { RealSite } from '../scenarios/real-site.ts'
import { coldCache, seconds } from './method.ts'

/** How often is looked; less often while the payload is read, because each look costs both sides a few milliseconds of the processors that hash. */
const LOOK_MS = 10
const STAGING_LOOK_MS = 50

type Signed = { url: string; ca: string; token: string }

/** A fresh appliance for one run: the real `drydock up`, with a data folder of its own. Keys and trust are the bench's. */
export class BenchAppliance {
  readonly site: RealSite
  readonly #clean: (() => unknown)[]

  private constructor(site: RealSite, clean: (() => unknown)[]) {
    this.site = site
    this.#clean = clean
  }

  /** @param builder whose keys and media folder are used again */
  static async open(builder: RealSite, folder: string): Promise<BenchAppliance> {
    const clean: (() => unknown)[] = []
    const data = mkdtempSync(join(folder, 'data-'))
    const site = new RealSite({ teardown: (work: () => unknown) => void clean.push(work) } as never, join(data, 'data'))
    await site.plan()
    site.initFlags = site.initFlags.map(flag => (flag === site.media ? builder.media : flag))
    await site.init({ trust: builder.trust })
    await site.up()
    await site.people()
    clean.push(() => rmSync(data, { recursive: true, force: true }))
    return new BenchAppliance(site, clean)
  }

  /** Opened, cold, used and closed. */
  static async once<T>(builder: RealSite, folder: string, work: (appliance: BenchAppliance) => Promise<T>): Promise<T> {
    const appliance = await BenchAppliance.open(builder, folder)
    try {
      coldCache()
      return await work(appliance)
    } finally {
      await appliance.close()
    }
  }

  async close(): Promise<void> {
    for (const work of this.#clean) await work()
  }

  #as(person: string): { client: Appliance['client']; known: Signed } {
    const { appliances } = JSON.parse(readFileSync(join(this.site.folder, 'people', `${person}.json`), 'utf8')) as { appliances: Signed[] }
    return { client: clientFor(appliances[0]!), known: appliances[0]! }
  }

  /** From the path of a bundle to `imported`; what people do is done at once. @returns seconds */
  async import(path: string, until: (site: RealSite) => Promise<void> | void = () => undefined): Promise<number> {
    const [olga, paul] = [this.#as('olga').client, this.#as('paul').client]
    const started = performance.now()
    await answerOf(olga.POST('/api/v1/imports', { body: { path } }))
    for (let state = ''; state !== 'imported'; ) {
      const record = (await answerOf(olga.GET('/api/v1/imports')))[0]
      const id = record?.id ?? ''
      if (state !== record?.state) {
        if (record?.state === 'verified') await answerOf(olga.POST('/api/v1/imports/{id}/proceed', { params: { path: { id } } }))
        if (record?.state === 'awaiting-approval') await answerOf(paul.POST('/api/v1/imports/{id}/approve', { params: { path: { id } } }))
        if (record !== undefined && ['failed', 'refused', 'parked', 'quarantined'].includes(record.state)) throw new Error(`import ${record.state}: ${record.error?.message ?? ''}`)
      }
      state = record?.state ?? ''
      if (state !== 'imported') await new Promise(done => setTimeout(done, state === 'staging' ? STAGING_LOOK_MS : LOOK_MS))
    }
    await until(this.site)
    return (performance.now() - started) / 1000
  }

  /** A file as a client gets it, with curl. Its bytes are looked at by `hasGot`, after the clock: what a hash costs is the client's own. */
  gets(path: string): void {
    const { url, ca } = this.#as('olga').known
    writeFileSync(join(this.site.folder, 'ca.crt'), ca)
    seconds('curl', ['-sS', '--fail', '--cacert', join(this.site.folder, 'ca.crt'), '-o', join(this.site.folder, 'got'), `${url}/files/${path}`])
  }

  /** @throws when other bytes were served */
  async hasGot(digest: string): Promise<void> {
    const found = (await digestOfFile(join(this.site.folder, 'got'))).digest
    if (found !== digest) throw new Error(`expected ${digest}, found ${found}`)
  }

  /** What skopeo needs to pull from here: `host:port`, and the folder with the CA. */
  registry(): { host: string; certs: string } {
    const { known } = this.#as('olga')
    const certs = join(this.site.folder, 'certs')
    mkdirSync(certs, { recursive: true })
    writeFileSync(join(certs, 'ca.crt'), known.ca)
    return { host: new URL(known.url).host, certs }
  }
}

/**
 * The most memory, in MiB, that the programs below `pid` had at one time while `work` ran; by name, those of one name together. Of what they
 * share (the pages of Node itself) each counts its part, as the kernel does it (Pss in proc_pid_smaps(5)); `up` is its own peak.
 */
export async function peakMemory<T>(pid: number, work: () => Promise<T>): Promise<{ result: T; up: number; children: Map<string, number> }> {
  const children = new Map<string, number>()
  let up = 0
  const look = (): void => {
    const parents = new Map<number, number>()
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue
      const text = read(`/proc/${name}/stat`)
      parents.set(Number(name), Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]))
    }
    const now = new Map<string, number>()
    for (const one of parents.keys()) {
      let above: number | undefined = one
      while (above !== undefined && above !== pid && above > 1) above = parents.get(above)
      if (above !== pid) continue
      const status = read(`/proc/${one}/status`)
      const name = /^Name:\s+(.+)$/m.exec(status)?.[1] ?? ''
      if (one === pid) up = Math.max(up, Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024)
      else now.set(name, (now.get(name) ?? 0) + Number(/^Pss:\s+(\d+) kB$/m.exec(read(`/proc/${one}/smaps_rollup`))?.[1] ?? 0) / 1024)
    }
    for (const [name, mib] of now) children.set(name, Math.max(children.get(name) ?? 0, mib))
  }
  const timer = setInterval(look, 50)
  try {
    return { result: await work(), up, children }
  } finally {
    clearInterval(timer)
  }
}

/** A process may be gone when it is looked at. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Bytes that the disk below `folder` has taken so far, whoever wrote them: a sandbox's own accounting dies with it. */
export function bytesWritten(folder: string): number {
  seconds('sync', [])
  const { dev } = statSync(folder)
  // major and minor as glibc's gnu_dev_major takes them apart, for the numbers that disks have
  return Number(readFileSync(`/sys/dev/block/${(dev >> 8) & 0xfff}:${dev & 0xff}/stat`, 'utf8').trim().split(/\s+/)[6]) * 512
}

/** Nothing of this bench stays in the way of the next run. */
export function removeTree(path: string): void {
  seconds('rm', ['-rf', path])
}
