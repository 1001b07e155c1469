/** `1.9 GiB`, `61 GiB`; below 1 KiB whole bytes. */
export function byteText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let size = bytes
  let unit = 0
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit++
  }
  return `${unit === 0 ? size : size >= 10 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`
}
