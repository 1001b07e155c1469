import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { checkShape } from '../../../../bundles/format/check.ts'
import { DigestText } from '../../../../bundles/format/item.ts'
import { writeDurably } from '../../../core/durable-file.ts'
import { DrydockError, isErrno } from '../../../core/error.ts'

const strict = { additionalProperties: false } as const
/** `content` is the digest of the lock's items: what tells whether there is anything new to send. */
const Sent = { sequence: Type.Integer({ minimum: 1 }), content: DigestText, files: Type.Array(Type.String()) }

/**
 *     WORKSPACE/relay.json                 this: what `bundle relay --status` shows
 *     WORKSPACE/relay.lock                 held while a relay runs
 *     WORKSPACE/sent/NAME-SEQUENCE.cdx.json   the SBOM of everything that was made
 */
const RelayState = Type.Object(
  {
    format: Type.Literal('drydock-relay/1'),
    /** The last round. */
    last: Type.Union([Type.Null(), Type.Object({ began: Type.String(), ended: Type.String(), outcome: Type.Enum(['dropped', 'waiting', 'unchanged', 'failed']), text: Type.String(), code: Type.Union([Type.String(), Type.Null()]) }, strict)]),
    /** Failed rounds since a good one. */
    failures: Type.Integer({ minimum: 0 }),
    next: Type.Union([Type.Null(), Type.String()]),
    /** The last bundle that reached the watch folder. */
    dropped: Type.Union([Type.Null(), Type.Object({ ...Sent, at: Type.String() }, strict)]),
    /** Bundles in the outbox, oldest first, each in a folder of its own; they lacked so many signatures when they were made. */
    waiting: Type.Array(Type.Object({ ...Sent, folder: Type.String(), lacks: Type.Integer({ minimum: 1 }) }, strict)),
    /** A bundle that is whole and on its way from `from` to the watch folder: a relay that was killed goes on with it. */
    moving: Type.Union([Type.Null(), Type.Object({ ...Sent, from: Type.String() }, strict)]),
  },
  strict,
)
export type RelayState = Type.Static<typeof RelayState>

const FILE = 'relay.json'

export async function readState(workspace: string): Promise<RelayState> {
  const path = join(workspace, FILE)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (failure) {
    if (!isErrno(failure, 'ENOENT')) throw failure
    return { format: 'drydock-relay/1', last: null, failures: 0, next: null, dropped: null, waiting: [], moving: null }
  }
  try {
    return checkShape(RelayState, JSON.parse(text), path)
  } catch (cause) {
    throw new DrydockError('DD-RELAY-001', `expected the state of the relay in ${path}, found something else`, 'delete the file: the next round then sends everything once more, under a new sequence', { cause })
  }
}

export async function keepState(workspace: string, state: RelayState): Promise<void> {
  await writeDurably(join(workspace, FILE), `${JSON.stringify(state, null, 2)}\n`, { mode: 0o644 })
}
