import { Alert, Code, Group, Table, Text, Textarea } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { useParams } from 'react-router'
import { answerOf, api, idempotencyKey, type Pool, type PoolDiff, type PoolRevision } from '../api.ts'
import { useLive } from '../live-events.tsx'
import { ActionButton } from '../parts/confirm.tsx'
import { At, Digest, Fact, FaultBox, StateBadge } from '../parts/facts.tsx'
import { NodeCells } from '../parts/node-cells.tsx'
import { PoolBar } from '../parts/pool-bar.tsx'
import { Timeline } from '../parts/timeline.tsx'
import { useSession } from '../session.ts'
import { useAnswer } from '../use-answer.ts'
import { plain } from '../words.ts'

export function PoolPage(): ReactNode {
  const name = useParams()['name'] ?? ''
  const path = { params: { path: { name } } } as const
  const pool = useAnswer(() => answerOf(api.GET('/api/v1/pools/{name}', path)), `pool ${name}`)
  const nodes = useAnswer(() => answerOf(api.GET('/api/v1/nodes', { params: { query: { pool: name } } })), `nodes ${name}`)
  const history = useAnswer(() => answerOf(api.GET('/api/v1/pools/{name}/history', path)), `history ${name}`, event => event.subject === `pool:${name}`)
  const diff = useAnswer(() => answerOf(api.GET('/api/v1/pools/{name}/diff', path)), `diff ${name}`, event => event.subject === `pool:${name}`)
  const { events } = useLive()
  const ours = new Set([`pool:${name}`, ...(nodes.data ?? []).map(node => `node:${node.name}`)])
  const lately = events.filter(event => ours.has(event.subject) || event.fields['pool'] === name)

  if (pool.data === undefined) return <><h1>{plain(name)}</h1><FaultBox fault={pool.fault} /></>
  const shown = pool.data
  return (
    <>
      <Group justify="space-between" align="flex-start">
        <Group gap="sm"><h1>{shown.name}</h1><StateBadge state={shown.state} /></Group>
        <PoolActions pool={shown} diff={diff.data} history={history.data ?? []} />
      </Group>
      <p className="question">Is this fleet as declared?</p>
      <FaultBox fault={pool.fault} />
      {shown.paused === null ? null : <Alert color="yellow" title={`Paused by ${plain(shown.paused.by)}`}>{plain(shown.paused.reason)}</Alert>}
      <PoolBar counts={shown.counts} />
      <h2>What it is</h2>
      <div className="facts">
        <Fact name="Revision">{shown.target ?? 'none applied'}{shown.head === shown.target ? '' : ` (head is ${shown.head})`}</Fact>
        <Fact name="Roles">{shown.document.spec.roles.join(', ')}</Fact>
        <Fact name="Base">{shown.document.spec.base}</Fact>
        <Fact name="Each node">{shown.document.spec.hardware.cpus} CPU, {shown.document.spec.hardware.memory}</Fact>
        <Fact name="CI">{shown.document.spec.ci.connection}</Fact>
        <Fact name="Hypervisors">{shown.document.spec.hypervisors.join(', ')}</Fact>
        <Fact name="Spec"><Digest value={shown.specDigest} /></Fact>
        <Fact name="Image"><Digest value={shown.image} /></Fact>
      </div>
      {diff.data === undefined || shown.head === shown.target ? null : <NotApplied diff={diff.data} />}
      <h2>Nodes</h2>
      <NodeCells nodes={nodes.data ?? []} target={shown.target} />
      {shown.waits.length === 0 ? null : (
        <>
          <h2>What it waits for</h2>
          <ul>{shown.waits.map(wait => <li key={`${wait.node} ${wait.on}`}>{wait.node === null ? '' : <b>{wait.node} </b>}{plain(wait.on)}</li>)}</ul>
        </>
      )}
      <h2>Time line</h2>
      <Timeline events={lately.slice(-80)} empty="Nothing has happened to this pool yet." />
      <h2>History</h2>
      <History revisions={history.data ?? []} pool={shown} />
    </>
  )
}

function PoolActions({ pool, diff, history }: { pool: Pool; diff: PoolDiff | undefined; history: readonly PoolRevision[] }): ReactNode {
  const { isOperator } = useSession()
  const path = { params: { path: { name: pool.name } } } as const
  const last = history.findLast(one => one.image !== undefined && one.revision !== pool.target && one.outcome !== 'failed')
  return (
    <Group gap="xs">
      <ChangeRoles pool={pool} />
      <ActionButton
        label="Apply" title={`Apply revision ${pool.head}`} disabled={!isOperator || pool.head === pool.target}
        explain={diff === undefined ? 'Builds the image and turns the pool over.' : <>Builds the image of revision {pool.head} and replaces {diff.nodesToReplace} nodes: {diff.roles.join(', ') || 'no change of roles'}. Nodes are drained first; a running job is never killed.</>}
        command={`drydock pool apply ${pool.name}`}
        run={() => answerOf(api.POST('/api/v1/pools/{name}/apply', { ...path, headers: idempotencyKey() }))}
      />
      {pool.paused === null ? (
        <ActionButton label="Pause" title={`Pause ${pool.name}`} color="gray" disabled={!isOperator} explain="No node is created or replaced until it is resumed. Jobs go on." ask={{ label: 'Why', placeholder: 'release day', required: true }} command={`drydock pool pause ${pool.name} --reason '…'`} run={reason => answerOf(api.POST('/api/v1/pools/{name}/pause', { ...path, body: { reason } }))} />
      ) : (
        <ActionButton label="Resume" title={`Resume ${pool.name}`} disabled={!isOperator} explain="The rollout goes on where it stopped." command={`drydock pool resume ${pool.name}`} run={() => answerOf(api.POST('/api/v1/pools/{name}/resume', path))} />
      )}
      <ActionButton
        label="Roll back" title={`Roll back ${pool.name}`} color="red" disabled={!isOperator || last === undefined} typeName={pool.name}
        explain={<>Makes a new revision with the lock of revision {last?.revision ?? '–'}, whose image is still here. Nodes of revision {pool.target} are drained and removed.</>}
        command={`drydock pool rollback ${pool.name}${last === undefined ? '' : ` --to ${last.revision}`}`}
        run={() => answerOf(api.POST('/api/v1/pools/{name}/rollback', { ...path, body: { to: last?.revision ?? null }, headers: idempotencyKey() }))}
      />
    </Group>
  )
}

function ChangeRoles({ pool }: { pool: Pool }): ReactNode {
  const { isOperator } = useSession()
  const [text, setText] = useState(pool.document.spec.roles.join('\n'))
  const roles = text.split(/[\s,]+/).filter(Boolean)
  return (
    <ActionButton
      label="Change roles" title={`Change the roles of ${pool.name}`} color="cyan" disabled={!isOperator}
      explain={<Textarea label="Roles, one a line" value={text} onChange={event => setText(event.currentTarget.value)} autosize minRows={3} />}
      ask={{ label: 'Message', placeholder: 'numpy 1.26 for the new kernels', required: true }}
      command={`drydock pool update ${pool.name} --roles=${roles.join(',')} -m '…'`}
      run={message => answerOf(api.PATCH('/api/v1/pools/{name}', { params: { path: { name: pool.name } }, body: { roles, message } }))}
    />
  )
}

function NotApplied({ diff }: { diff: PoolDiff }): ReactNode {
  return (
    <Alert color="yellow" title={`Revision ${diff.to} is not applied`} mt="md">
      <Text size="sm">{diff.roles.join(', ') || 'The roles are the same.'} Replaces {diff.nodesToReplace} nodes.</Text>
      {diff.packages.length === 0 ? null : (
        <Text size="sm">{diff.packages.length} packages change: {diff.packages.slice(0, 12).map(one => `${one.name} ${one.from ?? '–'} → ${one.to ?? '–'}`).join(', ')}{diff.packages.length > 12 ? ' …' : ''}</Text>
      )}
      {diff.fields.map(one => <Text key={one.field} size="sm">{one.field}: {JSON.stringify(one.from)} → {JSON.stringify(one.to)}</Text>)}
    </Alert>
  )
}

function History({ revisions, pool }: { revisions: readonly PoolRevision[]; pool: Pool }): ReactNode {
  return (
    <Table>
      <Table.Thead>
        <Table.Tr>{['Revision', 'When', 'Who', 'Change', 'Message', 'Image', 'Outcome'].map(name => <Table.Th key={name}>{name}</Table.Th>)}</Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {revisions.toReversed().map(one => (
          <Table.Tr key={one.revision}>
            <Table.Td>{one.revision}{one.revision === pool.target ? ' (target)' : ''}{one.rollbackOf === undefined ? '' : ` = ${one.rollbackOf}`}</Table.Td>
            <Table.Td><At iso={one.at} /></Table.Td>
            <Table.Td>{plain(one.author)}</Table.Td>
            <Table.Td><Code>{plain(one.change)}</Code></Table.Td>
            <Table.Td>{plain(one.message)}</Table.Td>
            <Table.Td><Digest value={one.image ?? null} /></Table.Td>
            <Table.Td>{one.outcome === undefined ? 'not applied' : <StateBadge state={one.outcome} />}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  )
}

