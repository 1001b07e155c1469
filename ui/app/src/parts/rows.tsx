import { Button, Table } from '@mantine/core'
import { useState, type ReactNode } from 'react'

export type Column<T> = { label: string; cell: (row: T) => ReactNode; className?: 'numbers' | 'fixed' | 'wide' }

/** Rows that are drawn at a time; the next so many come when they are asked for. */
const SHOWN = 100

/** A table; on a narrow screen each row becomes a small card with the column's names at the left. */
export function Rows<T>({ label, rows, columns, keyOf, first = SHOWN }: { label: string; rows: readonly T[]; columns: readonly Column<T>[]; keyOf: (row: T) => string | number; first?: number }): ReactNode {
  const [shown, setShown] = useState(first)
  return (
    <>
      <Table className="rows" aria-label={label}>
        <Table.Thead>
          <Table.Tr>{columns.map(column => <Table.Th key={column.label} className={column.className}>{column.label}</Table.Th>)}</Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.slice(0, shown).map(row => (
            <Table.Tr key={keyOf(row)}>
              {columns.map(column => <Table.Td key={column.label} data-label={column.label} className={column.className}>{inCell(column.cell(row))}</Table.Td>)}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {rows.length <= shown ? null : <Button size="xs" variant="default" mt="sm" onClick={() => setShown(shown + SHOWN)}>Show more ({rows.length - shown} left)</Button>}
    </>
  )
}

/** One element, so that a phone can set it beside its label; nothing at all for nothing, which a phone leaves out. */
function inCell(content: ReactNode): ReactNode {
  return content === null || content === '' ? null : <div>{content}</div>
}
