/** Steps of one plan that are under way at once. */
export const STEPS_AT_ONCE = 8
/** Pools that are looked at or worked on at once. */
export const POOLS_AT_ONCE = 8
/** A step that takes longer is given up and tried again by a later plan. */
export const STEP_TIMEOUT_MS = 5 * 60_000
/** A hypervisor or CI server that takes longer to answer counts as not reachable. */
export const OBSERVE_TIMEOUT_MS = 30_000
/** Between two looks at a pool while something moves in it, and at rest. */
export const MOVING_INTERVAL_MS = 2000
export const RESTING_INTERVAL_MS = 15_000
/** Kicks that come faster are answered by one look. */
export const KICK_GAP_MS = 100
/** After a look with a fault the pause doubles up to this. */
export const LAST_BACKOFF_MS = 30_000
/** An observation this old may be shared between pools, if none of their own steps came after it. */
export const SHARED_OBSERVATION_MS = 500
/** What a hypervisor can hold is asked again after this. */
export const CAPABILITIES_AGE_MS = 60_000
