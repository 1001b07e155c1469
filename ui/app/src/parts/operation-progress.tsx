import { Progress, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { answerOf, api } from '../api.ts'
import { useAnswer } from '../use-answer.ts'
import { duration, plain } from '../words.ts'

const LOOK_MS = 1000

/** How far a long action is; nothing once it waits or has ended. */
export function OperationProgress({ id }: { id: string }): ReactNode {
  const { data } = useAnswer(() => answerOf(api.GET('/api/v1/operations/{id}', { params: { path: { id } } })), `operation ${id}`, { concerns: event => event.operation === id, everyMs: LOOK_MS })
  const progress = data?.progress ?? null
  if (data?.state === 'queued') return <Text size="xs" mt={4} className="soft">Waits for its turn: another {plain(data.kind)} is under way.</Text>
  if (data?.state !== 'running' || progress === null) return null
  const share = progress.total === 0 ? 0 : Math.min(1, progress.done / progress.total)
  return (
    <div>
      <Progress value={share * 100} aria-label={progress.phase} />
      <Text size="xs" mt={4} className="soft">
        {plain(progress.phase)}{progress.total === 0 ? '' : ` · ${progress.done} of ${progress.total} ${progress.unit}`}{progress.etaSeconds === null ? '' : ` · about ${duration(progress.etaSeconds)} left`}
      </Text>
    </div>
  )
}
