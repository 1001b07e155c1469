import { InvalidArgumentError } from 'commander'

/** For options that count. @throws what appliance/main/usage.ts turns into DD-CLI-001 */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('expected a whole number')
  return Number(text)
}
