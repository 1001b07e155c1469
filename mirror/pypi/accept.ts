/**
 * The one of these media types that an Accept header likes best; the first of equals, and the first when there is no header.
 * @returns undefined when it accepts none of them
 */
export function preferred<T extends string>(accept: string, types: readonly T[]): T | undefined {
  if (accept.trim() === '') return types[0]
  const wishes = accept.split(',').map(part => {
    const [type = '', ...parameters] = part.split(';').map(text => text.trim().toLowerCase())
    const quality = parameters.find(parameter => parameter.startsWith('q='))
    return { type, quality: quality === undefined ? 1 : Number(quality.slice(2)) }
  })
  let best: T | undefined
  let bestQuality = 0
  for (const type of types) {
    const names = [type, `${type.split('/')[0]}/*`, '*/*']
    const wish = names.map(name => wishes.find(one => one.type === name)).find(one => one !== undefined)
    if (wish !== undefined && wish.quality > bestQuality) [best, bestQuality] = [type, wish.quality]
  }
  return best
}
