/** Sizes, counts and times as people read them. */
export function bytes(size: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  let value = size
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

export function clock(iso: string): string {
  return new Date(iso).toLocaleTimeString(undefined, { hour12: false })
}

export function dayAndClock(iso: string): string {
  const at = new Date(iso)
  return `${at.toLocaleDateString(undefined, { year: 'numeric', month: 'short', day: 'numeric' })} ${clock(iso)}`
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d`
}

export function since(iso: string, now: Date): string {
  return duration(Math.max(0, (now.getTime() - new Date(iso).getTime()) / 1000))
}

/** Control and bidirectional characters never reach the page as themselves: names come from outside. */
export function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/gu, found => `\\u{${found.codePointAt(0)!.toString(16)}}`)
}

export function shortDigest(digest: string): string {
  return digest.replace(/^(sha256:[0-9a-f]{12}).*$/, '$1…')
}

/** Digests anywhere in a text, cut. */
export function shortDigests(text: string): string {
  return text.replaceAll(/sha256:([0-9a-f]{12})[0-9a-f]{52}/g, 'sha256:$1…')
}

/** What commands take for an import: `demo-3`; its id before it is verified. */
export function commandName({ id, sequence, preflight }: { id: string; sequence: number | null; preflight: { stream: string } | null }): string {
  return sequence === null || preflight === null ? id : `${preflight.stream}-${sequence}`
}
