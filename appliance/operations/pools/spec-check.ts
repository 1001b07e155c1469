import { checkShape } from '../../../bundles/format/check.ts'
import { DrydockError } from '../../core/error.ts'
import { nearest } from '../../core/nearest.ts'
import type { CatalogueView } from '../../model/catalogue.ts'
import type { Desired } from '../../model/desired.ts'
import { PoolDocument, type PoolSpec } from '../../model/pool.ts'
import { splitRole } from './revision-change.ts'

/**
 * Everything that can be wrong with a spec before anything is made of it.
 * @throws DD-CORE-009 unknown or malformed field, DD-POOL-003 unknown role or base, DD-POOL-004 unknown hypervisor or CI connection
 */
export function checkDocument(value: unknown, connections: Desired['connections'], catalogue: CatalogueView): PoolDocument {
  const document = checkShape(PoolDocument, value, 'pool spec')
  checkConnections(document.spec, connections)
  for (const role of document.spec.roles) checkPack(role, 'role', catalogue)
  checkPack(document.spec.base, 'base', catalogue)
  return document
}

function checkConnections(spec: PoolSpec, connections: Desired['connections']): void {
  for (const name of spec.hypervisors) {
    if (connections.hypervisors[name] === undefined) throw unknownConnection('hypervisor', name, Object.keys(connections.hypervisors), 'drydock hypervisor add')
  }
  if (connections.ci[spec.ci.connection] === undefined) throw unknownConnection('CI connection', spec.ci.connection, Object.keys(connections.ci), 'drydock ci add')
}

function unknownConnection(what: string, name: string, known: string[], verb: string): DrydockError {
  return new DrydockError('DD-POOL-004', `expected a ${what} of this appliance (${known.join(', ') || 'there is none'}), found ${JSON.stringify(name)}`, `correct the spec, or add it: ${verb} ${name}`)
}

/** Role packs and base packs are both items of kind `role`: name and version. */
function checkPack(text: string, what: 'role' | 'base', catalogue: CatalogueView): void {
  const { role, version } = splitRole(text)
  const versions = catalogue.find('role', role).map(item => item.version)
  if (versions.includes(version)) return
  const known = [...catalogue.items('role')].map(item => `${item.name}-${item.version}`)
  const close = versions.length > 0 ? versions.map(each => `${role}-${each}`).join(', ') : nearest(text, known)
  throw new DrydockError(
    'DD-POOL-003',
    `expected a ${what} that generation ${catalogue.generation} holds, found ${JSON.stringify(text)}`,
    close === undefined ? 'import a bundle that brings it, or list what is here: drydock mirror search role' : `use ${close}, or import a bundle that brings it`,
  )
}
