/** Bytes of the heap that V8 takes for an object or array, for its place in another, and for a string beside its characters. */
const CONTAINER = 64
const PLACE = 16
const STRING = 24
const [BRACE, BRACKET, COMMA, QUOTE] = [0x7b, 0x5b, 0x2c, 0x22]

/** What each byte of a line may cost. */
const COST = new Uint8Array(256).fill(1)
COST[QUOTE] = 1 + STRING / 2
COST[COMMA] = 1 + PLACE
COST[BRACE] = COST[BRACKET] = 1 + CONTAINER

/** About what a line of JSON will take on the heap once it is parsed; never much too little. Brackets inside of strings count, too. */
export function heapOf(line: Uint8Array): number {
  let bytes = 0
  for (let k = 0; k < line.length; k++) bytes += COST[line[k]!]!
  return bytes
}
