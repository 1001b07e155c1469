/** Limits of collecting. Each message that refuses shows measured and allowed. */
/** Downloads that run at once, over all registries. */
export const PARALLEL_DOWNLOADS = 8
/** Entries of `files` and `images` that are read at once. */
export const PARALLEL_FILES = 4
/** `apt-get download` processes at once, and packages in one of them. */
export const PARALLEL_APT = 4
export const APT_BATCH = 24
/** How long to wait for another apt that works in the same workspace. */
export const APT_LOCK_SECONDS = 60
/** Tries for one request; the pause doubles from the first to the next, in milliseconds. */
export const TRIES = 4
export const FIRST_PAUSE_MS = 400
/** A connection that gives no byte for this long is given up, in milliseconds. */
export const SILENCE_MS = 60_000
export const REDIRECTS = 5
/** Downloads from this many bytes on keep what came when they are cut off, and so much more counts as progress over a bad line. */
export const RESUMABLE_BYTES = 1024 * 1024
/** Bytes of one document that is read into memory: a packument, a token, an error page. */
export const DOCUMENT_BYTES = 64 * 1024 * 1024
export const COLLECTION_BYTES = 1024 * 1024
/** METADATA of one wheel, uncompressed. */
export const WHEEL_METADATA_BYTES = 8 * 1024 * 1024
/** Milliseconds between two progress reports. */
export const PROGRESS_MS = 1000
/** Files in one `files` entry. */
export const FILES_IN_FOLDER = 200_000
/** One manifest of a container image, as registries limit it themselves. */
export const MANIFEST_BYTES = 4 * 1024 * 1024
/** A copyright file in a .deb: a browser's has more than a MiB. */
export const COPYRIGHT_BYTES = 16 * 1024 * 1024
/** .debs that are unpacked at once to read it. */
export const PARALLEL_UNPACK = 2
/** Former locks that a workspace keeps, and whose blobs pruning spares. */
export const FORMER_LOCKS = 3
/** Pages of what refers to one manifest. */
export const REFERRER_PAGES = 100
