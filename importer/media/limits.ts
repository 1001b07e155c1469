/** What a medium may cost, however it was made. */

/** CPU seconds and wall milliseconds of one look at a file system or a folder. */
export const LOOK_CPU_SECONDS = 10
export const LOOK_MS = 30_000
/** Bytes of one listing: some 500,000 names. */
export const LISTING_BYTES = 16 * 1024 * 1024
/** Names of a folder up to which each is asked for its size, which takes the reader the square of their number: 0.3 s. */
export const FEW_NAMES = 400
/** Address space of the reader. It needs 40 MiB for a medium of any size. */
export const READER_BYTES = 256 * 1024 * 1024
/** File systems of one medium, folders of one file system that are looked into beside its root, and bundles of one medium. */
export const FILE_SYSTEMS = 8
export const FOLDERS = 16
export const BUNDLES = 256
/** Bytes from the beginning of a bundle that its print is made of: manifest and signatures of all but the largest. */
export const PRINT_BYTES = 1024 * 1024
/** Characters of a name, and of what the reader says of its failure. */
export const NAME_LENGTH = 255
export const SAID_LENGTH = 300
