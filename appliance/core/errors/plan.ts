import type { ErrorEntry } from './entry.ts'

/** Codes of the planner's second opinion: pools from 101 on. */
export const PLAN_ERRORS = {
  'DD-POOL-101': { exit: 1, http: 500, retryable: true, story: 'A plan wanted to touch a machine that is not provably ours: not observed, of another appliance or pool, with an ownership that differs, or of a higher fence. The whole plan was refused; nothing was done.' },
  'DD-POOL-102': { exit: 1, http: 500, retryable: true, story: 'A plan wanted to end a node without both idle proofs, the CI server’s and the node’s own. The whole plan was refused; nothing was done.' },
  'DD-POOL-103': { exit: 1, http: 500, retryable: true, story: 'A plan wanted more nodes than size and surge allow, or to build where it must not. The whole plan was refused; nothing was done.' },
  'DD-POOL-104': { exit: 1, http: 500, retryable: true, story: 'A plan wanted to take ready nodes away below size − maxUnavailable. The whole plan was refused; nothing was done.' },
  'DD-POOL-105': { exit: 1, http: 500, retryable: true, story: 'A plan held steps that contradict each other, the phase of their node, or a pause. The whole plan was refused; nothing was done.' },
  'DD-POOL-106': { exit: 2, http: 422, retryable: false, story: 'The rollout of a pool asks for what this version does not do: the strategy `switch`, or neither surge nor unavailability, with which nothing could ever be replaced.' },
  'DD-POOL-107': { exit: 1, http: 500, retryable: true, story: 'A node’s hypervisor or CI server is not connected any more. Nothing is done to the node until it is connected again.' },
} as const satisfies Record<string, ErrorEntry>
