import { Enums, Models, SPDX } from '@cyclonedx/cyclonedx-library'
import type { Item } from '../format/item.ts'
import { licenceText, spdxExpression } from '../format/licence.ts'

/** SPDX where it is SPDX (several statements as one expression: the schema allows only one), names where it is words. */
export function componentLicences(item: Pick<Item, 'licences' | 'licenceClaims'>): Models.LicenseRepository {
  const { licences = [], licenceClaims = [] } = item
  const stated = licences.length === 0 ? licenceClaims : licences
  if (stated.length === 0) return new Models.LicenseRepository()
  const known = licences.length > 0 && licences.every(text => spdxExpression(text) !== undefined)
  const whole = licenceText(item)
  const all: Models.License[] = !known ? stated.map(text => new Models.NamedLicense(text)) : [SPDX.isSupportedSpdxId(whole) ? new Models.SpdxLicense(whole) : new Models.LicenseExpression(whole)]
  for (const licence of all) licence.acknowledgement = Enums.LicenseAcknowledgement.Declared
  return new Models.LicenseRepository(all)
}
