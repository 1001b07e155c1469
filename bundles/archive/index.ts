export { BLOCK_BYTES, ENTRY_BYTES, headerOf, type Entry } from './header.ts'
export { fileSource, readVolume, unreadable, type ByteSource, type ByteStretches, type VolumeReader } from './reader.ts'
export { END_OF_ARCHIVE, padding, writeVolume, type EntryWriter, type VolumeWriter } from './writer.ts'
export { readHead, readIndexParts, readVolumeNumber, unexpected, type VolumeHead } from './head.ts'
