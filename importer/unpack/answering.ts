import type { MediaFile, OpenMedia } from './open-volume.ts'
import type { Places } from './places.ts'

/** Media whose place must go on answering while a head is read from them. @throws DD-MEDIA-006, DD-CORE-007 when `signal` came first */
export function answering(openMedia: OpenMedia, places: Places): OpenMedia {
  return async (source, signal) => {
    // The drive that it lies in now: plugged in elsewhere, it has another one.
    const at = { source, place: places.of(source), signal }
    let opening: Promise<MediaFile> | undefined
    const media: MediaFile = await places.answered(at, () => (opening = openMedia(source))).catch((failure: unknown) => {
      opening?.then(late => late.close()).catch(() => undefined)
      throw failure
    })
    let isReading = false
    let isLeft = false
    let isClosed = false
    return {
      ...media,
      head: {
        read: into => places.answered(at, async () => {
          // Its reader asks for one part ahead, which may have stood behind another import's read meanwhile.
          if (isClosed) return 0
          isReading = true
          return await media.head.read(into).finally(() => {
            isReading = false
          })
        }).catch((failure: unknown) => {
          isLeft = isReading
          throw failure
        }),
      },
      async close() {
        isClosed = true
        const closing = media.close()
        closing.catch(() => undefined)
        if (!isLeft) await closing
      },
    }
  }
}
