/**
 * Why something is scanned: because it comes in, or because it is here and new definitions may know it. A rescan runs behind everything else,
 * and leaves more of the disk to those who may need it at that moment.
 *
 * - `whole`: what a finding is about when no item is known
 * - `again`: what people type after a scan that failed
 * - `background`: programs that give way come first
 * - `patience`: times what a scanner is given in time; machines that run virtual machines leave little to what gives way
 * - `ofFree`: the part of the free space that opened archives may take
 */
export const PURPOSES = {
  import: { whole: 'the bundle', again: 'drydock import resume', background: [], patience: 1, ofFree: 1 / 2 },
  rescan: { whole: 'the store', again: 'drydock scanner rescan', background: ['nice', '-n', '10', 'ionice', '-c', '3'], patience: 12, ofFree: 1 / 4 },
} as const
export type Purpose = keyof typeof PURPOSES
