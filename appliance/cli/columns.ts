import { printable } from '../core/printable.ts'

export type ColumnOptions = {
  /** Columns that are aligned to the right; the others to the left. */
  right?: (column: number) => boolean
  /** Characters that a line may have; longer ones are made to fit by cutting the column `gives`, which keeps at least `LEAST`. */
  width?: { most: number; gives: number }
}

/** A column that gives way to a narrow terminal keeps this many characters. */
const LEAST = 12

/** Rows as lines with aligned columns. Cells are escaped for terminals before they are measured. */
export function alignedLines(rows: readonly (readonly string[])[], { right = () => false, width }: ColumnOptions = {}): string[] {
  const cells = rows.map(row => row.map(printable))
  const widths: number[] = []
  for (const row of cells) for (const [column, text] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, widthOf(text))
  if (width !== undefined) {
    const over = widths.reduce((total, each) => total + each + 2, -2) - width.most
    if (over > 0) widths[width.gives] = Math.max(LEAST, (widths[width.gives] ?? 0) - over)
  }
  return cells.map(row =>
    row.map((text, column) => {
      const shown = width?.gives === column ? cut(text, widths[column] ?? 0) : text
      const space = ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(shown)))
      return right(column) ? space + shown : column === row.length - 1 ? shown : shown + space
    }).join('  ').trimEnd(),
  )
}

function cut(text: string, most: number): string {
  const characters = Array.from(text)
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`
}

const widthOf = (text: string): number => Array.from(text).length

/** What a terminal can show in a line; a pipe takes lines of any length. */
export function terminalWidth(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns : undefined
}
