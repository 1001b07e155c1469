import Type from 'typebox'
import { MediumView } from '../../model/medium.ts'
import { route, type Route } from '../route.ts'
import type { Services } from '../services.ts'

export function mediaRoutes({ media }: Services): Route[] {
  return [route({ method: 'GET', path: '/media', needs: 'viewer', summary: 'Sticks and discs that are plugged in, and the folders that bundles are read from: what is on each, and what became of it.', answer: Type.Array(MediumView), handle: () => media.list() })]
}
