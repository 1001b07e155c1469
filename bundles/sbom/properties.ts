import { Models } from '@cyclonedx/cyclonedx-library'

/** Values as CycloneDX properties in our namespace; what is undefined or no plain value is left out. */
export function properties(values: Record<string, unknown>): Models.PropertyRepository {
  const all = Object.entries(values).flatMap(([name, value]) => {
    const texts = Array.isArray(value) ? value : [value]
    return texts.flatMap((text: unknown) => (isPlain(text) ? [new Models.Property(`drydock:${name}`, String(text))] : []))
  })
  return new Models.PropertyRepository(all)
}

function isPlain(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
