export { encodeShards, hopelessBytes, type Take, type Work } from './code.ts'
export { rebuildFiles, type RebuildInput } from './rebuild-files.ts'
export { joined, lostShard, segmentsOfVolume, shardOf, streamedShard, type Range, type Segment, type Shard } from './shard.ts'
export { volumeSink, type VolumeSink } from './volume-sink.ts'
