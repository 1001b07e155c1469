import { AGENT_ERRORS } from './agent.ts'
import { BUNDLE_ERRORS } from './bundle.ts'
import { CI_ERRORS } from './ci.ts'
import { CLI_ERRORS } from './cli.ts'
import { CORE_ERRORS } from './core.ts'
import { COLLECT_ERRORS } from './collect.ts'
import { HYPERVISOR_ERRORS } from './hypervisor.ts'
import { IDENTITY_ERRORS } from './identity.ts'
import { IMAGE_ERRORS } from './image.ts'
import { IMPORT_ERRORS } from './import.ts'
import { MEDIA_ERRORS } from './media.ts'
import { MIRROR_ERRORS } from './mirror.ts'
import { PLAN_ERRORS } from './plan.ts'
import { POOL_ERRORS } from './pool.ts'
import { RELAY_ERRORS } from './relay.ts'
import { STATE_ERRORS } from './state.ts'
import { TRUST_ERRORS } from './trust.ts'

/** Every code there is, from one file an area. `drydock explain CODE` prints `story`; the docs are held equal by a test. */
export const ERRORS = {
  ...CORE_ERRORS,
  ...STATE_ERRORS,
  ...TRUST_ERRORS,
  ...BUNDLE_ERRORS,
  ...COLLECT_ERRORS,
  ...RELAY_ERRORS,
  ...IMPORT_ERRORS,
  ...MEDIA_ERRORS,
  ...MIRROR_ERRORS,
  ...IMAGE_ERRORS,
  ...POOL_ERRORS,
  ...PLAN_ERRORS,
  ...HYPERVISOR_ERRORS,
  ...CI_ERRORS,
  ...AGENT_ERRORS,
  ...IDENTITY_ERRORS,
  ...CLI_ERRORS,
} as const

export type ErrorCode = keyof typeof ERRORS
