import Type from 'typebox'
import { ITEM_KINDS } from '../../../bundles/format/item.ts'
import { Trust } from '../../../bundles/format/trust.ts'
import { digestFromHex } from '../../core/digest.ts'
import { DrydockError } from '../../core/error.ts'
import type { CatalogueView } from '../../model/catalogue.ts'
import { ImageManifest } from '../../model/image.ts'
import { FoundItem, GenerationView } from '../answers.ts'
import { route, type Route } from '../route.ts'
import type { Services } from '../services.ts'

const strict = { additionalProperties: false } as const
const FOUND = 100
const MOST_FOUND = 1000

export function contentRoutes({ images, catalogue, trust }: Services): Route[] {
  return [
    route({ method: 'GET', path: '/images', needs: 'viewer', summary: 'Every image that was baked.', answer: Type.Array(ImageManifest), handle: () => images.list() }),
    route({
      method: 'GET', path: '/images/:hex', needs: 'viewer', summary: 'One image: lock, layers, packages.',
      params: Type.Object({ hex: Type.String({ pattern: '^[0-9a-f]{64}$' }) }, strict), answer: ImageManifest,
      async handle({ params }) {
        const image = await images.get(digestFromHex(params.hex))
        if (image === undefined) throw new DrydockError('DD-CLI-012', `expected an image of this digest, found none: sha256:${params.hex}`, 'drydock image list shows them')
        return image
      },
    }),
    route({ method: 'GET', path: '/generations', needs: 'viewer', summary: 'Generations of the mirrors.', answer: Type.Array(GenerationView), handle: () => catalogue.generations() }),
    route({
      method: 'GET', path: '/mirrors/search', needs: 'viewer', summary: 'Search the served generation; every word must be part of name, version or kind.',
      query: Type.Object({ q: Type.Optional(Type.String({ maxLength: 256 })), kind: Type.Optional(Type.Enum(ITEM_KINDS)), limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_FOUND })) }, strict),
      answer: Type.Array(FoundItem),
      handle: ({ query }) => search(catalogue.current(), query.q ?? '', query.kind === undefined ? ITEM_KINDS : [query.kind], query.limit ?? FOUND),
    }),
    route({ method: 'GET', path: '/trust', needs: 'viewer', summary: 'Whose signatures are believed.', answer: Trust, handle: () => trust() }),
  ]
}

function search(view: CatalogueView, query: string, kinds: readonly (typeof ITEM_KINDS)[number][], limit: number): FoundItem[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean)
  const found: FoundItem[] = []
  for (const kind of kinds) {
    for (const item of view.items(kind)) {
      const text = `${kind} ${item.name} ${item.version}`.toLowerCase()
      if (!words.every(word => text.includes(word))) continue
      found.push({ kind, name: item.name, version: item.version, variant: item.variant ?? null, size: item.blobs.reduce((sum, blob) => sum + blob.size, 0), digests: item.blobs.map(blob => blob.digest) })
      if (found.length >= limit) return found
    }
  }
  return found
}
