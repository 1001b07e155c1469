import { Anchor, Group } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link, useParams } from 'react-router'
import { answerOf, api } from '../api.ts'
import { useLive } from '../live-events.tsx'
import { At, Command, Digest, Fact, FaultBox, StateBadge } from '../parts/facts.tsx'
import { Timeline } from '../parts/timeline.tsx'
import { urls } from '../urls.ts'
import { useAnswer } from '../use-answer.ts'
import { plain } from '../words.ts'

export function NodePage(): ReactNode {
  const name = useParams()['name'] ?? ''
  const path = { params: { path: { name } } } as const
  const node = useAnswer(() => answerOf(api.GET('/api/v1/nodes/{name}', path)), `node ${name}`, event => event.subject === `node:${name}`)
  const log = useAnswer(() => answerOf(api.GET('/api/v1/nodes/{name}/console', path)), `console ${name}`, () => false)
  const { events } = useLive()
  const shown = node.data
  return (
    <>
      <Group gap="sm"><h1>{plain(name)}</h1>{shown === undefined ? null : <StateBadge state={shown.phase} />}</Group>
      <p className="question">Is this runner the same as its siblings?</p>
      <FaultBox fault={node.fault} />
      {shown === undefined ? null : (
        <div className="facts">
          <Fact name="Pool"><Anchor component={Link} to={urls.pool(shown.pool)}>{shown.pool}</Anchor>, revision {shown.revision}</Fact>
          <Fact name="Image"><Digest value={shown.image} /></Fact>
          <Fact name="Hypervisor">{shown.hypervisor}</Fact>
          <Fact name="In this phase since"><At iso={shown.phaseSince} /></Fact>
          <Fact name="Last heartbeat">{shown.heartbeatAt === null ? 'none yet' : <At iso={shown.heartbeatAt} />}</Fact>
          <Fact name="Boot to heartbeat">{shown.bootSeconds === null ? 'not yet' : `${shown.bootSeconds.toFixed(1)} s`}</Fact>
          <Fact name="Boot id">{shown.bootId ?? 'none yet'}</Fact>
          <Fact name="Jobs">{shown.jobs.map(plain).join(', ') || 'idle'}</Fact>
          <Fact name="Waits for">{shown.waitsFor === null ? 'nothing' : plain(shown.waitsFor)}</Fact>
          {shown.failure === null ? null : <Fact name="Failure">{plain(shown.failure)}</Fact>}
        </div>
      )}
      <h2>Time line</h2>
      <Timeline events={events.filter(event => event.subject === `node:${name}` || event.fields['node'] === name)} empty="No event of this node in the last 500." />
      <h2>Console</h2>
      {log.data === undefined ? <FaultBox fault={log.fault} /> : <pre className="log" tabIndex={0} aria-label="console log">{log.data.text || 'The console is silent.'}</pre>}
      <Command line={`drydock node console ${name}`} />
    </>
  )
}
