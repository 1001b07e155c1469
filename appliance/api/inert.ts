import { Registry } from 'prom-client'
import { wallClock } from '../core/clock.ts'
import { DrydockError } from '../core/error.ts'
import { silentLog } from '../core/log.ts'
import type { Services } from './services.ts'

/** Services that hold nothing and do nothing: enough to build the server for its OpenAPI document, without a data folder. */
export function inertServices(version: string): Services {
  return {
    siteId: 'none', version, clock: wallClock, log: silentLog, caPem: '', signingKey: '', metrics: new Registry(), consoleFolder: '/nonexistent',
    identity: absent(), audit: absent(), events: absent(), pools: absent(), imports: absent(), media: absent(), rescans: absent(), dismissals: absent(), operations: absent(), nodes: absent(), images: absent(), catalogue: absent(), connections: absent(),
    console: () => Promise.reject(nothing()), scanners: () => Promise.reject(nothing()), sbom: () => Promise.reject(nothing()),
    trust: () => {
      throw nothing()
    },
    trustView: () => Promise.reject(nothing()), signedImports: () => [], recalls: () => Promise.reject(nothing()), decisions: absent(),
    clockView: () => {
      throw nothing()
    },
    readiness: () => ({ ready: false, waits: ['everything'] }),
  }
}

const nothing = () => new DrydockError('DD-CORE-001', 'expected a running appliance behind this server, found none', 'start one: drydock up')

/** Fails only when it is used. */
function absent<T extends object>(): T {
  return new Proxy<object>({}, {
    get: () => () => {
      throw nothing()
    },
  }) as T
}
