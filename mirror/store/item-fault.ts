import { DrydockError } from '../../appliance/core/error.ts'
import { checkShape } from '../../bundles/format/check.ts'
import type Type from 'typebox'
import { itemKey, type Item, type ItemBlob } from '../../bundles/format/item.ts'

/** An item that no mirror may serve: what was expected of which item, and what was found. */
export function itemFault(item: Item, expected: string, found: string): DrydockError {
  return new DrydockError('DD-MIRROR-004', `expected ${expected} in ${itemKey(item)}, found ${found}`, 'do not import it; ask the sender where the package comes from')
}

/** Text from outside as it may stand in a message: short, quoted, control characters escaped. */
export function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 160)
}

/** The metadata of an item by its format's own schema. @throws DD-CORE-009 naming item and field */
export function metadataOf<S extends Type.TSchema>(schema: S, item: Item): Type.Static<S> {
  return checkShape(schema, item.metadata, `metadata of ${itemKey(item)}`)
}

/** @throws DD-MIRROR-004 when the item has no blob of this name. */
export function blobNamed(item: Item, name: string): ItemBlob {
  const blob = item.blobs.find(blob => blob.name === name)
  if (blob === undefined) throw itemFault(item, `a blob named ${shown(name)}`, item.blobs.map(blob => shown(blob.name)).join(', ') || 'none')
  return blob
}

/** @throws DD-MIRROR-004 when there is not exactly one. */
export function onlyBlob(item: Item): ItemBlob {
  const [blob] = item.blobs
  if (blob === undefined || item.blobs.length !== 1) throw itemFault(item, 'exactly one blob', String(item.blobs.length))
  return blob
}
