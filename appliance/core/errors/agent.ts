import type { ErrorEntry } from './entry.ts'

export const AGENT_ERRORS = {
  'DD-AGENT-001': { exit: 3, http: 403, retryable: false, story: 'A guest asked to enrol with a token that is unknown, used by another key, expired, or of another node. The answer does not say which. The node is replaced when its boot times out.' },
  'DD-AGENT-002': { exit: 3, http: 401, retryable: false, story: 'A call on the agents’ port came without a client certificate of this appliance that names a node. Without one only `enrol` is answered.' },
  'DD-AGENT-003': { exit: 1, http: 409, retryable: false, story: 'A measurement was sent whose digest is not that of its own canonical JSON: it was cut or altered on its way, or the guest is faulty.' },
  'DD-AGENT-004': { exit: 1, http: 429, retryable: true, story: 'A node called the agents’ port far more often than an agent does. Something in the guest plays with the agent’s key; the other nodes are not to suffer from it.' },
} as const satisfies Record<string, ErrorEntry>
