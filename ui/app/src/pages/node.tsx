import { Alert, Anchor } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link, useParams } from 'react-router'
import { answerOf, api } from '../api.ts'
import { useLive } from '../live-events.tsx'
import { At, Command, Digest, Fact, Facts, FaultBox, StateBadge } from '../parts/facts.tsx'
import { Page, Section } from '../parts/page.tsx'
import { Siblings } from '../parts/siblings.tsx'
import { Timeline } from '../parts/timeline.tsx'
import { urls } from '../urls.ts'
import { useAnswer } from '../use-answer.ts'
import { plain } from '../words.ts'

export function NodePage(): ReactNode {
  const name = useParams()['name'] ?? ''
  const path = { params: { path: { name } } } as const
  const node = useAnswer(() => answerOf(api.GET('/api/v1/nodes/{name}', path)), `node ${name}`, { concerns: event => event.subject === `node:${name}` })
  const log = useAnswer(() => answerOf(api.GET('/api/v1/nodes/{name}/console', path)), `console ${name}`, { concerns: () => false, everyMs: null })
  const { events } = useLive()
  const shown = node.data
  return (
    <Page title={name} question="Is this runner the same as its siblings?" state={shown === undefined ? null : <StateBadge state={shown.phase} />}>
      <FaultBox fault={node.fault} />
      {shown === undefined ? null : (
        <>
          {shown.failure === null ? null : <Alert color="red" title="It failed">{plain(shown.failure)}</Alert>}
          <Siblings node={shown} />
          <Section title="What it is">
            <Facts>
              <Fact name="Pool"><Anchor component={Link} to={urls.pool(shown.pool)}>{shown.pool}</Anchor>, revision {shown.revision}</Fact>
              <Fact name="Jobs">{shown.jobs.map(plain).join(', ') || 'idle'}</Fact>
              <Fact name="Waits for">{shown.waitsFor === null ? 'nothing' : plain(shown.waitsFor)}</Fact>
              <Fact name="In this phase since"><At iso={shown.phaseSince} /></Fact>
              <Fact name="Last heartbeat">{shown.heartbeatAt === null ? 'none yet' : <At iso={shown.heartbeatAt} />}</Fact>
              <Fact name="Boot to heartbeat">{shown.bootSeconds === null ? 'not yet' : `${shown.bootSeconds.toFixed(1)} s`}</Fact>
              <Fact name="Hypervisor">{shown.hypervisor}</Fact>
              <Fact name="Image"><Digest value={shown.image} /></Fact>
              <Fact name="Boot id"><span className="mono">{shown.bootId ?? 'none yet'}</span></Fact>
            </Facts>
          </Section>
        </>
      )}
      <Section title="Time line">
        <Timeline events={events.filter(event => event.subject === `node:${name}` || event.fields['node'] === name)} empty="No event of this node is among the last 500." />
      </Section>
      <Section title="Console" note={<Anchor component="button" size="xs" onClick={log.reload}>read again</Anchor>}>
        {log.data === undefined ? <FaultBox fault={log.fault} /> : <pre className="log" tabIndex={0} aria-label="console log">{log.data.text || 'The console is silent.'}</pre>}
        <Command line={`drydock node console ${name}`} />
      </Section>
    </Page>
  )
}
