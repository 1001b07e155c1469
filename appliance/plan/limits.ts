/** A heartbeat counts as present for four of the agent's intervals of 10 s and a little. */
export const FRESH_HEARTBEAT_MS = 45_000
/** A node that said nothing for this long, and that the CI server shows offline too, is given up. */
export const SILENT_NODE_MS = 5 * 60_000
/** A hypervisor may list a machine a little after it made it. */
export const LISTING_LAG_MS = 10_000
/** An agent that the CI server does not list is enrolled again, but not more often than this. */
export const ENROL_AGAIN_MS = 30_000
/** Failed nodes of a revision that are borne after the canaries, at least; or BORNE_FAILURES_SHARE of the pool, whichever is more. */
export const BORNE_FAILURES = 2
export const BORNE_FAILURES_SHARE = 0.1
/** In a healthy pool, the pause before a failed node is replaced doubles from the first to the last. */
export const REPLACE_PAUSE_FIRST_MS = 15_000
export const REPLACE_PAUSE_LAST_MS = 10 * 60_000
