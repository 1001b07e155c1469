import { checkShape } from '../../../bundles/format/check.ts'
import { DrydockError } from '../../core/error.ts'
import type { Desired } from '../../model/desired.ts'
import { PoolDocument, type PoolSpec } from '../../model/pool.ts'

/**
 * What can be wrong with a document before any pack is looked at.
 * @throws DD-CORE-009 unknown or malformed field, DD-POOL-003 unknown hypervisor or CI connection
 */
export function checkDocument(value: unknown, connections: Desired['connections']): PoolDocument {
  const document = checkShape(PoolDocument, value, 'pool spec')
  checkConnections(document.spec, connections)
  return document
}

function checkConnections(spec: PoolSpec, connections: Desired['connections']): void {
  for (const name of spec.hypervisors) {
    if (connections.hypervisors[name] === undefined) throw unknownConnection('hypervisor', name, Object.keys(connections.hypervisors), 'drydock hypervisor add')
  }
  if (connections.ci[spec.ci.connection] === undefined) throw unknownConnection('CI connection', spec.ci.connection, Object.keys(connections.ci), 'drydock ci add')
}

function unknownConnection(what: string, name: string, known: string[], verb: string): DrydockError {
  return new DrydockError('DD-POOL-003', `expected a ${what} of this appliance (${known.join(', ') || 'there is none'}), found ${JSON.stringify(name)}`, `correct the spec, or have an admin add it: ${verb} ${name} --kind …`)
}
