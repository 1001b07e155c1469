import { randomInt, scrypt, timingSafeEqual, randomBytes } from 'node:crypto'
import { DrydockError } from '../core/error.ts'

/** scrypt (RFC 7914) at OWASP's 2^15, r 8, p 3: 32 MiB and about a third of a second on the small machines that appliances are. */
const COST = { N: 2 ** 15, r: 8, p: 3 }
const KEY_BYTES = 32
const MAX_MEMORY = 64 * 1024 * 1024
/** Passwords that are hashed at the same time; the rest wait their turn, so that sign-ins cannot take the machine's memory. */
const AT_ONCE = 2
/** Those that may wait for it; more are turned away. */
const QUEUE = 64

export const PASSWORD_MIN = 12
/** A longer one costs the appliance time to hash and the person nothing in safety. */
export const PASSWORD_MAX = 256

/** No vowels, so that no words come out; no 0 O 1 l I, so that it can be read out. */
const ONE_TIME_ALPHABET = 'bcdfghjkmnpqrstvwxz23456789'

/** `scrypt:15:8:3:<salt>:<key>`, base64url. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const key = await derive(password, salt, COST)
  return ['scrypt', Math.log2(COST.N), COST.r, COST.p, salt.toString('base64url'), key.toString('base64url')].join(':')
}

/** Takes as long for a name that does not exist (hash null) as for one that does. */
export async function passwordMatches(password: string, hash: string | null): Promise<boolean> {
  const [scheme, log, r, p, salt = '', key = ''] = (hash ?? NOBODY).split(':')
  if (scheme !== 'scrypt') return false
  const expected = Buffer.from(key, 'base64url')
  const found = await derive(password, Buffer.from(salt, 'base64url'), { N: 2 ** Number(log), r: Number(r), p: Number(p) })
  return timingSafeEqual(found, expected) && hash !== null
}

const NOBODY = `scrypt:15:8:3:${Buffer.alloc(16).toString('base64url')}:${Buffer.alloc(KEY_BYTES).toString('base64url')}`

/** `bdfg-7hjk-mn2p-qrst-vwxz`: 20 characters, 95 bits. */
export function oneTimePassword(): string {
  const letters = Array.from({ length: 20 }, () => ONE_TIME_ALPHABET[randomInt(ONE_TIME_ALPHABET.length)])
  return letters.join('').replace(/(.{4})(?=.)/g, '$1-')
}

/** Length is what counts (NIST SP 800-63B, 5.1.1); rules about characters are not made. @throws DD-IDENT-006 */
export function checkNewPassword(password: string, user: string, old: string | null): void {
  const length = Array.from(password).length
  const found =
    length < PASSWORD_MIN || password.length > PASSWORD_MAX ? `${length} characters`
    : password === old ? 'the old one again'
    : password.toLowerCase().includes(user.toLowerCase()) ? 'one that holds the name of its user'
    : undefined
  if (found !== undefined) {
    throw new DrydockError('DD-IDENT-006', `expected a new password of ${PASSWORD_MIN} to ${PASSWORD_MAX} characters, found ${found}`, 'choose another one: four unrelated words are good')
  }
}

let running = 0
const waiting: (() => void)[] = []

async function derive(password: string, salt: Buffer, cost: typeof COST): Promise<Buffer> {
  if (waiting.length >= QUEUE) throw new DrydockError('DD-IDENT-002', `expected at most ${QUEUE} people signing in at once, found more`, 'wait 10 s and try again')
  if (running >= AT_ONCE) await new Promise<void>(resolve => waiting.push(resolve))
  running++
  try {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    scrypt(password.normalize('NFKC'), salt, KEY_BYTES, { ...cost, maxmem: MAX_MEMORY }, (failure, key) => (failure === null ? resolve(key) : reject(failure)))
    return await promise
  } finally {
    running--
    waiting.shift()?.()
  }
}
