/** What a scanner gets, unless its configuration says otherwise. */
export const TIMEOUT_SECONDS = 3600
/** Memory of one process of a scanner, in MiB. ClamAV's own definitions take about 1,300. */
export const MEMORY_MIB = 4096
/** What it may write into its /tmp, which is memory too, in MiB. */
export const SCRATCH_MIB = 1024
export const PROCESSES = 256
/** The most that a scanner may print, beside what it has just said. A line for each of 200,000 files takes a tenth of it. */
export const OUTPUT_BYTES = 256 * 1024 * 1024
/** Lines of a scanner that are remembered, so that they are kept once, and how long they may be for that. */
export const REPEAT_LINES = 4096
export const REPEAT_BYTES = 4096
/** Findings of one scanner that are told one by one; what is beyond is counted. */
export const FINDINGS = 200
/** Items that are named for one blob; more share it. */
export const ITEMS_OF_BLOB = 8

/** Of what is opened for the scanners (data of debs, zstd): all together, and at most half of what is free. */
export const OPENED_BYTES = 32 * 1024 ** 3

/**
 * Blobs and their bytes in one batch of a rescan: each batch loads the definitions anew (a quarter of a minute of processor time for ClamAV's
 * own), and what a kill, a cancel or an import's scan cuts off is at most one batch.
 */
export const RESCAN_FILES = 10_000
export const RESCAN_BYTES = 4 * 1024 ** 3

/** ClamAV's limits on one file. What is beyond is told by it and becomes a finding; 2 GiB is the most that it can take. */
export const CLAMAV_LIMITS = {
  'max-filesize': '2000M',
  'max-scansize': '4000M',
  'max-files': '500000',
  'max-recursion': '20',
  'max-scantime': '600000',
} as const

/** Days after which ClamAV's definitions count as old, unless `clamavMaxAgeDays` says otherwise. */
export const MAX_AGE_DAYS = 14
/** Definitions from the future would be the newest for ever; clocks differ by less than this. */
export const FUTURE_MS = 24 * 60 * 60 * 1000
