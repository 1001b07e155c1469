import { barrierFrom, syncFileSystem } from '../../appliance/core/sync.ts'

/** After so many bytes the disk is given what lies in the page cache, while more comes in: the kernel itself would wait for gigabytes. */
const PUSH_BYTES = 128 * 1024 * 1024

/** What is written from now on reaches the disk while more comes in, so that the barrier at the end finds little left. One `sync -f` at a time. */
export function pushingOut(folder: string): { upTo: (bytes: number) => void; idle: () => Promise<void>; barrier: () => Promise<void> } {
  const barrier = barrierFrom(folder)
  let pushed = 0
  let under: Promise<void> | undefined
  return {
    upTo(bytes) {
      if (under !== undefined || bytes - pushed < PUSH_BYTES) return
      pushed = bytes
      // One that fails is remembered for the barrier.
      under = syncFileSystem(folder).catch(() => undefined).finally(() => {
        under = undefined
      })
    },
    idle: async () => await under,
    async barrier() {
      await under
      await barrier()
    },
  }
}
