/** Where a part goes in a blob; `whole` is the size of the blob when all of it comes in this pass, front to back. */
export type Target = { hex: string; offset: number; count: number; whole: number | undefined }
export type Planned = { name: string; hex: string; size: number; keep: boolean; content: { size: number; hex: string } | undefined; targets: Target[] }

/** A line as `planLine` of plan.ts wrote it. The two are apart because the confined process may import nothing of bundles/format. */
export function plannedOf(line: string): Planned {
  const [name = '', size = '', keep = '', content = '-', ...targets] = line.split(' ')
  return {
    name, hex: name.slice(-64), size: Number(size), keep: keep === '1',
    content: content === '-' ? undefined : { size: Number(content.slice(0, -65)), hex: content.slice(-64) },
    targets: targets.map(targetOf),
  }
}

/** As `keptName` of plan.ts has it. */
export function keptNameOf({ name, hex }: Planned): string {
  return name.startsWith('chunks/') ? `${hex}.frame` : hex
}

/** `HEX@OFFSET*COUNT`, with `=SIZE` behind it for a blob that comes whole. */
function targetOf(text: string): Target {
  const [offset = '', count = '', whole] = text.slice(65).split(/[*=]/)
  return { hex: text.slice(0, 64), offset: Number(offset), count: Number(count), whole: whole === undefined ? undefined : Number(whole) }
}
