import { truncateSync, writeFileSync, openSync, writeSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runProgram } from '../../../appliance/core/run-program.ts'
import { ALIGNMENT, guidFrom, placePartitions, writeGpt, type Partition } from '../../../appliance/images/gpt.ts'

const MIB = 1024 * 1024
const partitions: Partition[] = [
  { name: 'boot', type: 'boot', size: 3 * MIB + 512, seed: 'boot-digest' },
  { name: 'layer-0', type: 'layer', size: 5 * MIB, seed: 'base-digest' },
  { name: 'layer-1', type: 'layer', size: 4096, seed: 'numpy-digest' },
]

function writeDisk(folder: string): string {
  const disk = placePartitions(partitions)
  const { head, tail } = writeGpt(disk)
  const path = join(folder, 'disk.raw')
  writeFileSync(path, head)
  truncateSync(path, disk.size)
  const file = openSync(path, 'r+')
  writeSync(file, tail, 0, tail.length, disk.size - tail.length)
  closeSync(file)
  return path
}

await t.test('sgdisk finds nothing to complain about', async t => {
  const { stdout } = await runProgram('/usr/sbin/sgdisk', { args: ['-v', writeDisk(t.testdir())], package: 'gdisk' })
  t.match(stdout.toString(), /No problems found/)
})

await t.test('sfdisk reads names, types, places and sizes as they were given', async t => {
  const { stdout } = await runProgram('/usr/sbin/sfdisk', { args: ['--json', writeDisk(t.testdir())], package: 'fdisk' })
  const { partitiontable } = JSON.parse(stdout.toString()) as { partitiontable: { partitions: { name: string; type: string; uuid: string; start: number; size: number }[] } }
  const { placed } = placePartitions(partitions)
  t.same(partitiontable.partitions.map(found => found.name), ['boot', 'layer-0', 'layer-1'])
  t.same(partitiontable.partitions.map(found => found.start * 512), placed.map(partition => partition.offset))
  t.same(partitiontable.partitions.map(found => found.size * 512), [3 * MIB + 512, 5 * MIB, 4096])
  t.equal(partitiontable.partitions[0]!.type, 'C12A7328-F81F-11D2-BA4B-00C93EC93B3B')
  t.equal(partitiontable.partitions[1]!.uuid, guidFrom('1\nbase-digest'))
})

await t.test('partitions begin at whole MiB and never overlap', async t => {
  const { placed, size } = placePartitions(partitions)
  for (const [index, partition] of placed.entries()) {
    t.equal(partition.offset % ALIGNMENT, 0)
    t.ok(partition.offset + partition.size <= (placed[index + 1]?.offset ?? size - 33 * 512))
  }
})

await t.test('another layer changes its own GUID and the disk’s, and no other partition’s', async t => {
  const changed = partitions.map(partition => (partition.name === 'layer-1' ? { ...partition, seed: 'other' } : partition))
  const before = writeGpt(placePartitions(partitions)).head
  const after = writeGpt(placePartitions(changed)).head
  const guidOf = (head: Buffer, index: number): string => head.subarray(1024 + index * 128 + 16, 1024 + index * 128 + 32).toString('hex')
  t.equal(guidOf(after, 1), guidOf(before, 1))
  t.not(guidOf(after, 2), guidOf(before, 2))
  t.not(after.subarray(512 + 56, 512 + 72).toString('hex'), before.subarray(512 + 56, 512 + 72).toString('hex'))
})
