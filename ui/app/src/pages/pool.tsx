import { Alert, Anchor, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link, useParams } from 'react-router'
import { answerOf, api } from '../api.ts'
import { useLive } from '../live-events.tsx'
import { Digest, Fact, Facts, FaultBox, StateBadge } from '../parts/facts.tsx'
import { NodeCells } from '../parts/node-cells.tsx'
import { OperationProgress } from '../parts/operation-progress.tsx'
import { Page, Section } from '../parts/page.tsx'
import { PoolActions } from '../parts/pool-actions.tsx'
import { PoolBar } from '../parts/pool-bar.tsx'
import { NotApplied } from '../parts/pool-diff.tsx'
import { PoolHistory } from '../parts/pool-history.tsx'
import { Timeline } from '../parts/timeline.tsx'
import { urls } from '../urls.ts'
import { useAnswer } from '../use-answer.ts'
import { plain } from '../words.ts'

const SHOWN_EVENTS = 100

export function PoolPage(): ReactNode {
  const name = useParams()['name'] ?? ''
  const path = { params: { path: { name } } } as const
  const pool = useAnswer(() => answerOf(api.GET('/api/v1/pools/{name}', path)), `pool ${name}`)
  const nodes = useAnswer(() => answerOf(api.GET('/api/v1/nodes', { params: { query: { pool: name } } })), `nodes ${name}`)
  const history = useAnswer(() => answerOf(api.GET('/api/v1/pools/{name}/history', path)), `history ${name}`, { concerns: event => event.subject === `pool:${name}` })
  const { events } = useLive()
  const ours = new Set([`pool:${name}`, ...(nodes.data ?? []).map(node => `node:${node.name}`)])
  const lately = events.filter(event => ours.has(event.subject) || event.fields['pool'] === name)

  if (pool.data === undefined) return <Page title={name} question="Is this fleet as declared?"><FaultBox fault={pool.fault} /></Page>
  const shown = pool.data
  const { spec } = shown.document
  const revisions = history.data ?? []
  const failure = revisions.find(one => one.revision === shown.target)?.failure
  return (
    <Page title={shown.name} question="Is this fleet as declared?" state={<StateBadge state={shown.state} />} does={<PoolActions pool={shown} history={revisions} />}>
      <FaultBox fault={pool.fault} />
      {failure === undefined ? null : <Alert color="red" title={`Revision ${shown.target} failed`}>{plain(failure)}</Alert>}
      {shown.paused === null ? null : <Alert color="yellow" title={`Paused by ${plain(shown.paused.by)}`}>{plain(shown.paused.reason)}</Alert>}
      <Section title="Declared and there" note={shown.target === null ? 'nothing is applied yet' : `revision ${shown.target}`}>
        <PoolBar pool={shown} />
        {shown.operation === null ? null : <OperationProgress id={shown.operation} />}
        <Waits waits={shown.waits} />
      </Section>
      {shown.head === shown.target ? null : <NotApplied key={`${shown.head} ${shown.target}`} pool={shown} />}
      <Section title="Nodes" note={nodes.data === undefined ? '' : `${nodes.data.length} there`}>
        <NodeCells nodes={nodes.data ?? []} target={shown.target} />
      </Section>
      <Section title="What it is" note={shown.head === shown.target ? '' : `as revision ${shown.head} declares it`}>
        <Facts>
          <Fact name="Roles">{spec.roles.join(', ') || 'the base alone'}</Fact>
          <Fact name="Base">{spec.base}</Fact>
          <Fact name="Each node">{spec.hardware.cpus} CPU, {spec.hardware.memory.replace(/(?=[MG]iB)/, ' ')}</Fact>
          <Fact name="CI">{spec.ci.connection}{spec.ci.labels.length === 0 ? '' : `, labels ${spec.ci.labels.join(', ')}`}</Fact>
          <Fact name="Hypervisors">{spec.hypervisors.join(', ')}</Fact>
          <Fact name={shown.target === null ? 'Spec' : `Spec of revision ${shown.target}`}><Digest value={shown.specDigest} /></Fact>
          <Fact name={shown.target === null ? 'Image' : `Image of revision ${shown.target}`}><Digest value={shown.image} /></Fact>
          <Fact name="Last healthy">{shown.lastHealthy === null ? 'never yet' : `revision ${shown.lastHealthy}`}</Fact>
        </Facts>
      </Section>
      <Section title="Time line" note={<Anchor component={Link} to={urls.events} size="xs">all events</Anchor>}>
        <Timeline events={lately.slice(-SHOWN_EVENTS)} empty="Nothing has happened to this pool yet." />
      </Section>
      <Section title="History" note="each revision with what it changed"><PoolHistory revisions={revisions} pool={shown} /></Section>
    </Page>
  )
}

function Waits({ waits }: { waits: readonly { node: string | null; on: string }[] }): ReactNode {
  if (waits.length === 0) return null
  return (
    <>
      <Text size="sm" fw={600} mt="sm">Waits for</Text>
      <ul className="plain">
        {waits.slice(0, 20).map(wait => <li key={`${wait.node} ${wait.on}`}>{wait.node === null ? '' : <><Link to={urls.node(wait.node)}>{wait.node}</Link>: </>}{plain(wait.on)}</li>)}
      </ul>
      {waits.length <= 20 ? null : <Text size="sm" className="soft">and {waits.length - 20} more; each node below says its own</Text>}
    </>
  )
}
