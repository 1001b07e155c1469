import { closeSync, openSync, readSync, writeSync } from 'node:fs'

/** As much of FAT32 as it takes to bend it: links of clusters, and entries of the root. */
export class Fat {
  readonly #file: number
  readonly #fat: number
  readonly #copies: number[]
  readonly #root: Buffer
  readonly #rootAt: number

  constructor(path: string) {
    this.#file = openSync(path, 'r+')
    const boot = this.#at(0, 512)
    const sector = boot.readUInt16LE(11)
    const size = boot.readUInt32LE(36) * sector
    this.#fat = boot.readUInt16LE(14) * sector
    this.#copies = Array.from({ length: boot.readUInt8(16) }, (_, k) => this.#fat + k * size)
    this.#rootAt = this.#fat + boot.readUInt8(16) * size + (boot.readUInt32LE(44) - 2) * sector * boot.readUInt8(13)
    this.#root = this.#at(this.#rootAt, sector)
  }

  firstClusterOf(short: string): number {
    const entry = this.#entry(short)
    return entry.readUInt16LE(26) + entry.readUInt16LE(20) * 65_536
  }

  setSize(short: string, size: number): void {
    this.#entry(short).writeUInt32LE(size, 28)
    writeSync(this.#file, this.#root, 0, this.#root.length, this.#rootAt)
  }

  setFirstCluster(short: string, cluster: number): void {
    const entry = this.#entry(short)
    entry.writeUInt16LE(cluster & 0xffff, 26)
    entry.writeUInt16LE(cluster >>> 16, 20)
    writeSync(this.#file, this.#root, 0, this.#root.length, this.#rootAt)
  }

  link(cluster: number, to: number): void {
    const word = Buffer.alloc(4)
    word.writeUInt32LE(to)
    for (const copy of this.#copies) writeSync(this.#file, word, 0, 4, copy + cluster * 4)
  }

  close(): void {
    closeSync(this.#file)
  }

  #entry(short: string): Buffer {
    for (let at = 0; at < this.#root.length; at += 32) if (this.#root.toString('latin1', at, at + short.length) === short && this.#root[at + 11] !== 15) return this.#root.subarray(at, at + 32)
    throw new Error(`no ${short} in the root`)
  }

  #at(position: number, length: number): Buffer {
    const bytes = Buffer.alloc(length)
    readSync(this.#file, bytes, 0, length, position)
    return bytes
  }
}
