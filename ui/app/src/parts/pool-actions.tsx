import { Stack, TextInput, Textarea } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { answerOf, api, idempotencyKey, type Pool, type PoolRevision } from '../api.ts'
import { useSession } from '../session.ts'
import { ActionButton } from './confirm.tsx'

const at = (pool: Pool) => ({ params: { path: { name: pool.name } } }) as const

/** What can be done with a pool now. */
export function PoolActions({ pool, history }: { pool: Pool; history: readonly PoolRevision[] }): ReactNode {
  const { isOperator } = useSession()
  const nodes = pool.counts.ready
  const last = history.findLast(one => one.image !== undefined && one.revision !== pool.target && one.outcome !== 'failed')
  if (pool.state === 'deleting') return null
  return (
    <>
      {pool.head === pool.target ? null : (
        <ActionButton
          label="Apply" title={`Apply revision ${pool.head} of ${pool.name}`} disabled={!isOperator}
          explain={<>Builds the image of revision {pool.head}, then replaces the nodes that differ, a few at a time. Nodes are drained first; a running job is never killed.</>}
          command={`drydock pool apply ${pool.name}`}
          run={() => answerOf(api.POST('/api/v1/pools/{name}/apply', { ...at(pool), headers: idempotencyKey() }))}
        />
      )}
      <Change key={pool.head} pool={pool} />
      {pool.paused === null ? (
        <ActionButton
          label="Pause" title={`Pause ${pool.name}`} tone="quiet" disabled={!isOperator} explain="No node is created or replaced until it is resumed. Jobs go on."
          ask={{ label: 'Why', placeholder: 'release day' }} command={answer => `drydock pool pause ${pool.name} --reason ${quoted(answer)}`}
          run={reason => answerOf(api.POST('/api/v1/pools/{name}/pause', { ...at(pool), body: { reason } }))}
        />
      ) : (
        <ActionButton label="Resume" title={`Resume ${pool.name}`} disabled={!isOperator} explain="The rollout goes on where it stopped." command={`drydock pool resume ${pool.name}`} run={() => answerOf(api.POST('/api/v1/pools/{name}/resume', at(pool)))} />
      )}
      {last === undefined ? null : <RollBack pool={pool} to={last.revision} label="Roll back" />}
      <ActionButton
        label="Delete" title={`Delete ${pool.name}`} tone="danger" disabled={!isOperator} typeName={pool.name}
        explain={<>Drains and removes all its nodes ({nodes} ready now), then the pool and its history. Images and mirrors stay. This cannot be taken back.</>}
        command={`drydock pool delete ${pool.name}`}
        run={() => answerOf(api.DELETE('/api/v1/pools/{name}', { ...at(pool), headers: idempotencyKey() }))}
      />
    </>
  )
}

export function RollBack({ pool, to, label }: { pool: Pool; to: number; label: string }): ReactNode {
  const { isOperator } = useSession()
  return (
    <ActionButton
      label={label} title={`Roll ${pool.name} back to revision ${to}`} tone="quiet" disabled={!isOperator} typeName={pool.name}
      explain={<>Makes a new revision with the lock of revision {to}; its image is not baked again. The nodes of revision {pool.target} are drained and removed.</>}
      command={`drydock pool rollback ${pool.name} --to ${to}`}
      run={() => answerOf(api.POST('/api/v1/pools/{name}/rollback', { ...at(pool), body: { to }, headers: idempotencyKey() }))}
    />
  )
}

/** Roles and size as a form; everything else is in the pool's file. */
function Change({ pool }: { pool: Pool }): ReactNode {
  const { isOperator } = useSession()
  const { spec } = pool.document
  const [text, setText] = useState(spec.roles.join('\n'))
  const [size, setSize] = useState(String(spec.size))
  const roles = text.split(/[\s,]+/).filter(Boolean)
  const resized = Number(size) !== spec.size
  const changed = resized || roles.join(' ') !== spec.roles.join(' ')
  return (
    <ActionButton
      label="Change" title={`Change ${pool.name}`} tone="normal" disabled={!isOperator} unready={!changed}
      explain={
        <Stack gap="sm">
          <span>Makes revision {pool.head + 1}. Nothing runs before it is applied.</span>
          <Textarea label="Roles, one a line, in the order of their layers" value={text} onChange={event => setText(event.currentTarget.value)} rows={4} />
          <TextInput label="Nodes" type="number" min={0} max={10_000} value={size} onChange={event => setSize(event.currentTarget.value)} />
        </Stack>
      }
      ask={{ label: 'Message', placeholder: 'numpy 1.26 for the new kernels' }}
      command={answer => `drydock pool update ${pool.name} ${resized ? '--file pool.yaml' : `--roles=${roles.join(',')}`} -m ${quoted(answer)}`}
      run={message => answerOf(api.PATCH('/api/v1/pools/{name}', { ...at(pool), body: resized ? { document: { ...pool.document, spec: { ...spec, roles, size: Number(size) } }, message } : { roles, message } }))}
    />
  )
}

/** As a shell takes it. */
function quoted(text: string): string {
  return `'${(text === '' ? '…' : text).replaceAll("'", `'\\''`)}'`
}
