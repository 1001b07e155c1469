import { Readable } from 'node:stream'
import Type from 'typebox'
import { ImportRecord } from '../../../bundles/format/import-record.ts'
import { DrydockError } from '../../core/error.ts'
import { Operation } from '../../model/operation.ts'
import { SignedReceipt } from '../answers.ts'
import { route, type Route } from '../route.ts'
import type { Services } from '../services.ts'

const strict = { additionalProperties: false } as const
/** The import's id, or its stream and sequence. */
const ById = Type.Object({ id: Type.String({ pattern: '^[A-Za-z0-9-]{1,96}$', description: 'a stream with its sequence (demo-3), a sequence, or an id' }) }, strict)

export function importRoutes({ imports, sbom }: Services): Route[] {
  const about = ({ params }: { params: { id: string } }) => ({ subject: `import:${params.id}` })
  return [
    route({ method: 'GET', path: '/imports', needs: 'viewer', summary: 'Everything that came in or asked to.', answer: Type.Array(ImportRecord), handle: () => imports.list() }),
    route({ method: 'GET', path: '/imports/:id', needs: 'viewer', summary: 'One import with its preflight.', params: ById, answer: ImportRecord, handle: ({ params }) => imports.get(params.id) }),
    route({
      method: 'GET', path: '/imports/:id/sbom', needs: 'viewer', summary: 'What its bundle holds, as CycloneDX 1.6 JSON: the same bytes that the sender has.', params: ById,
      // Sent as it is made: the SBOM of a bundle of 10⁶ items is a gigabyte.
      contentType: 'application/vnd.cyclonedx+json', answer: Type.Unsafe<Readable>(Type.String()),
      handle: async ({ params }) => Readable.from(await sbom(imports.get(params.id).id)),
    }),
    route({
      method: 'POST', path: '/imports', needs: 'operator',
      summary: 'Bring a bundle: as bytes (application/octet-stream with its name in x-file-name, percent-encoded), or by its path under the media roots. It stops at the preflight.',
      body: Type.Object({ path: Type.String({ minLength: 1, maxLength: 4096 }) }, strict),
      bytes: true, answer: Operation, status: 202,
      audit: ({ body, http }) => ({ subject: 'import:new', fields: { file: isStream(http.request.body) ? fileName(http.request.headers['x-file-name']) : body.path } }),
      async handle({ body, request, http }) {
        const stream = http.request.body
        if (isStream(stream)) return await imports.submitStream(stream as AsyncIterable<Uint8Array>, fileName(http.request.headers['x-file-name']), request)
        return imports.submitPath(body.path, request)
      },
    }),
    route({ method: 'POST', path: '/imports/:id/proceed', needs: 'operator', summary: 'Go on after the preflight.', params: ById, answer: ImportRecord, audit: about, handle: ({ params, request }) => imports.proceed(params.id, request.actor) }),
    route({ method: 'POST', path: '/imports/:id/approve', needs: 'approver', summary: 'Let it into the mirrors. Not by the one who brought it.', params: ById, answer: ImportRecord, audit: about, handle: ({ params, request }) => imports.approve(params.id, request.actor) }),
    route({
      method: 'POST', path: '/imports/:id/reject', needs: 'approver', summary: 'Turn it away; what was staged is removed.', params: ById,
      body: Type.Object({ reason: Type.String({ minLength: 1, maxLength: 1024 }) }, strict), answer: ImportRecord,
      audit: ({ params, body }) => ({ subject: `import:${params.id}`, fields: { reason: body.reason } }),
      handle: ({ params, body, request }) => imports.reject(params.id, body.reason, request.actor),
    }),
    route({ method: 'POST', path: '/imports/:id/resume', needs: 'operator', summary: 'Go on with what was parked or failed: a new operation on the same import.', params: ById, answer: Operation, status: 202, audit: about, handle: ({ params, request }) => imports.resume(params.id, request) }),
    route({
      method: 'GET', path: '/imports/:id/receipt', needs: 'viewer', summary: 'The signed receipt. With export=true the audit log says that it was taken out.', params: ById,
      query: Type.Object({ export: Type.Optional(Type.Literal('true')) }, strict),
      answer: SignedReceipt,
      audit: ({ params, query }) => (query.export === undefined ? null : { subject: `import:${params.id}`, fields: { export: true } }),
      handle: ({ params }) => imports.receipt(params.id),
    }),
  ]
}

const isStream = (body: unknown): body is Readable => typeof body === 'object' && body !== null && 'pipe' in body

/** The name only shows where the bytes came from; the last part of a path of either system, at most 255 characters. */
function fileName(header: string | string[] | undefined): string {
  let name = 'upload.drydock'
  try {
    name = decodeURIComponent(String(header ?? name)).split(/[\\/]/).at(-1)?.slice(0, 255) ?? name
  } catch (cause) {
    throw new DrydockError('DD-CLI-011', 'expected a percent-encoded file name in x-file-name, found something else', 'send encodeURIComponent(name)', { cause })
  }
  return name === '' ? 'upload.drydock' : name
}
