/** Bytes of the heap that V8 takes for an object or array, for its place in another, and for a string beside its characters. */
const CONTAINER = 64
const PLACE = 16
const STRING = 24
const [BRACE, BRACKET, COMMA, QUOTE] = [0x7b, 0x5b, 0x2c, 0x22]

/** About what a line of JSON will take on the heap once it is parsed; never much too little. Brackets inside of strings count, too. */
export function heapOf(line: Uint8Array): number {
  let bytes = line.length
  for (const byte of line) {
    if (byte === QUOTE) bytes += STRING / 2
    else if (byte === COMMA) bytes += PLACE
    else if (byte === BRACE || byte === BRACKET) bytes += CONTAINER
  }
  return bytes
}
