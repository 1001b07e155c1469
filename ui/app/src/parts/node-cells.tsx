import { Text, Tooltip } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import type { Node } from '../api.ts'
import { urls } from '../urls.ts'
import { plain } from '../words.ts'

/** A cell a node, coloured by phase, the phase in words beneath the name; what it waits for on hover. */
export function NodeCells({ nodes, target }: { nodes: readonly Node[]; target: number | null }): ReactNode {
  if (nodes.length === 0) return <Text size="sm" c="dimmed">No node yet.</Text>
  return (
    <ul className="cells" aria-label="nodes">
      {nodes.map(node => (
        <li key={node.name}>
          <Tooltip label={`revision ${node.revision}${node.revision === target ? '' : ' (old)'} · ${node.waitsFor === null ? 'waits for nothing' : plain(node.waitsFor)}`} multiline maw={380}>
            <Link className="cell" to={urls.node(node.name)} data-phase={node.phase}>
              {node.name}
              <small>{node.phase}{node.jobs.length === 0 ? '' : ' · busy'}</small>
            </Link>
          </Tooltip>
        </li>
      ))}
    </ul>
  )
}
