import createClient, { type Client } from 'openapi-fetch'
import type { components, paths } from './generated/paths.ts'

/** Things by the name they have in the OpenAPI document: `Schema<'PoolView'>`. */
export type Schema<Name extends keyof components['schemas']> = components['schemas'][Name]
export type DrydockClient = Client<paths>

/**
 * The appliance's API, typed: `client.GET('/api/v1/pools/{name}', { params: { path: { name } } })` gives `{ data }` or `{ error }`,
 * where the error is the API's own (code, message, hint).
 * @param token for programs; the console leaves it out and is known by its cookie.
 */
export function createDrydockClient(options: { baseUrl: string; token?: string; fetch?: (request: Request) => Promise<Response> }): DrydockClient {
  return createClient<paths>({
    baseUrl: options.baseUrl.replace(/\/+$/, ''),
    ...(options.token === undefined ? {} : { headers: { authorization: `Bearer ${options.token}` } }),
    ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
  })
}
