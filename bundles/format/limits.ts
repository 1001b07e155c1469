/** Limits of the bundle format. Each message that refuses shows measured and allowed. */
export const MANIFEST_BYTES = 8 * 1024 * 1024
export const SIGNATURES_BYTES = 64 * 1024
/** One part of the index, uncompressed: parts are closed when they reach it, so a reader needs no more memory than this. */
export const INDEX_PART_BYTES = 8 * 1024 * 1024
/** All parts of an index as they stand in a volume, compressed: a reader holds them in memory. */
export const INDEX_BYTES = 1024 * 1024 * 1024
/** One line of the index. */
export const INDEX_LINE_BYTES = 1024 * 1024
/** A blob larger than this travels in pieces of this size. */
export const PIECE_BYTES = 256 * 1024 * 1024
/** The most that one chunk may unfold to; a reader needs no more memory than this for it, whatever sizes its sender prefers. */
export const CHUNK_BYTES = 1024 * 1024
/** The most that a chunk may take in a volume: zstd adds a little to what it cannot make smaller. */
export const CHUNK_STORED_BYTES = CHUNK_BYTES + 4096
/** Parts of a blob in one line of the index, so that it stays below INDEX_LINE_BYTES. */
export const PARTS_PER_LINE = 2048
/** Depth of nesting that any JSON from outside may have. */
export const JSON_DEPTH = 64
/** A sequence may be ahead of the last one by at most this many without a second person. */
export const SEQUENCE_JUMP = 16
/** A set has at most this many parity volumes. */
export const PARITY_SHARDS = 16
/** Volumes and parity volumes of one set: GF(2^8) has no more different rows. */
export const SET_SHARDS = 256
