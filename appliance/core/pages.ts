const WASM_PAGE_BYTES = 64 * 1024
/** What of it is used here; it is no part of Node's types. */
declare const WebAssembly: { Memory: new (options: { initial: number; maximum: number }) => { buffer: ArrayBuffer } }

/** Memory that begins at a page, as O_DIRECT (open(2)) wants it: Node's buffers do not, the memory of WebAssembly always does. */
export function pages(bytes: number): Buffer {
  const count = Math.ceil(bytes / WASM_PAGE_BYTES)
  return Buffer.from(new WebAssembly.Memory({ initial: count, maximum: count }).buffer, 0, bytes)
}
