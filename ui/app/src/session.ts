import { createContext, useContext } from 'react'
import type { Session } from './api.ts'

export const SessionContext = createContext<Session | null>(null)

const RANK = { viewer: 0, operator: 1, approver: 2, admin: 3 } as const satisfies Record<Session['role'], number>

/** Who is signed in, and whether that person may do what a role may. The appliance decides; this only greys out. */
export function useSession(): { session: Session; isOperator: boolean; isApprover: boolean } {
  const session = useContext(SessionContext)
  const role = session?.role ?? 'viewer'
  return {
    session: session ?? { user: '', role: 'viewer', mustChangePassword: false, expiresAt: '', site: '', version: '' },
    isOperator: role === 'operator' || RANK[role] >= RANK.admin,
    isApprover: RANK[role] >= RANK.approver,
  }
}
