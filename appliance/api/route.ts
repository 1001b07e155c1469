import type { FastifyReply, FastifyRequest } from 'fastify'
import type Type from 'typebox'
import type { Principal } from '../model/identity.ts'
import type { Request } from '../model/use-cases.ts'
import type { UserRole } from '../model/view.ts'

/**
 * Who may use a route: `anyone` without signing in, `session` everybody who is signed in, also while their password must be changed,
 * or those who may do a role's work (`MAY`).
 */
export type Needs = 'anyone' | 'session' | UserRole

/** What a handler is given: everything checked. */
export type Ask<P, Q, B> = {
  params: P
  query: Q
  body: B
  /** Who asks. Of an `anyone` route: nobody, with an empty name. */
  principal: Principal
  /** For use cases: the actor, and a key that makes a repeated request the same one. */
  request: Request
  http: { request: FastifyRequest; reply: FastifyReply; credential: string }
}

type RouteOf<P extends Type.TSchema, Q extends Type.TSchema, B extends Type.TSchema, A extends Type.TSchema> = {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Below /api/v1, fastify's spelling: `/pools/:name`. */
  path: string
  needs: Needs
  summary: string
  params?: P
  query?: Q
  body?: B
  /** The body may also be a stream of bytes (application/octet-stream), which the handler reads from `http.request.body`. */
  bytes?: true
  /** Absent: 204, no content. */
  answer?: A
  status?: 200 | 201 | 202
  /** Says how it is sent when it is no JSON document. */
  contentType?: 'application/x-ndjson' | 'application/vnd.cyclonedx+json' | 'text/event-stream'
  /**
   * What the audit record is about, and facts for it (no secrets). Every route that changes something has one, and it is written before
   * the handler runs. `itself`: the handler writes it, because only it knows whether the door was opened.
   */
  audit?: 'itself' | ((ask: Ask<Type.Static<P>, Type.Static<Q>, Type.Static<B>>) => { subject: string; fields?: Record<string, string | number | boolean> } | null)
  handle(ask: Ask<Type.Static<P>, Type.Static<Q>, Type.Static<B>>): Promise<Type.Static<A>> | Type.Static<A>
}

/** A row of the route table, its types forgotten after they were checked. */
export type Route = Omit<RouteOf<Type.TSchema, Type.TSchema, Type.TSchema, Type.TSchema>, 'audit' | 'handle'> & {
  audit?: 'itself' | ((ask: Ask<unknown, unknown, unknown>) => { subject: string; fields?: Record<string, string | number | boolean> } | null)
  handle(ask: Ask<unknown, unknown, unknown>): unknown
}

/** Ties a handler to the schemas of its row. The cast is sound because the server checks the request against these very schemas first. */
export function route<P extends Type.TSchema, Q extends Type.TSchema, B extends Type.TSchema, A extends Type.TSchema>(row: RouteOf<P, Q, B, A>): Route {
  return row as unknown as Route
}
