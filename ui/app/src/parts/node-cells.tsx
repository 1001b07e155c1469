import { Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import type { Node } from '../api.ts'
import { urls } from '../urls.ts'
import { plain } from '../words.ts'

/** Cells that are drawn; of a larger pool those that are not healthy come first. */
const SHOWN = 300

/** A cell a node: coloured by phase, the phase and what it waits for in words. */
export function NodeCells({ nodes, target }: { nodes: readonly Node[]; target: number | null }): ReactNode {
  if (nodes.length === 0) return <Text size="sm" className="soft">No node yet: they are made when a revision is applied.</Text>
  const shown = nodes.length <= SHOWN ? nodes : nodes.toSorted((a, b) => Number(a.phase === 'healthy') - Number(b.phase === 'healthy')).slice(0, SHOWN)
  return (
    <>
      <ul className="cells" aria-label="nodes">
        {shown.map(node => (
          <li key={node.name}>
            <Link className="cell" to={urls.node(node.name)} data-phase={node.phase}>
              <b>{node.name}<i>{node.revision === target ? `r${node.revision}` : `r${node.revision} old`}</i></b>
              <span>{node.phase}{node.jobs.length === 0 ? '' : ', busy'}</span>
              {node.failure === null ? null : <small>{plain(node.failure)}</small>}
              {node.waitsFor === null ? null : <small>{plain(node.waitsFor)}</small>}
            </Link>
          </li>
        ))}
      </ul>
      {shown.length === nodes.length ? null : <Text size="sm" mt="xs" className="soft">and {nodes.length - shown.length} more, healthy ones last</Text>}
    </>
  )
}
