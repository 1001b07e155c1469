/** `host[:port]/name[:tag][@digest]`, taken apart as containers' own tools do it. */
export type Reference = { host: string; name: string; target: string }

export function parseReference(reference: string): Reference {
  const [path = '', digest] = reference.split('@')
  const first = path.split('/')[0] ?? ''
  const isHost = path.includes('/') && (/[.:]/.test(first) || first === 'localhost')
  const host = isHost ? first : 'docker.io'
  const rest = isHost ? path.slice(first.length + 1) : path
  const colon = rest.lastIndexOf(':')
  const named = colon > rest.lastIndexOf('/') ? rest.slice(0, colon) : rest
  const tag = colon > rest.lastIndexOf('/') ? rest.slice(colon + 1) : 'latest'
  return { host, name: host === 'docker.io' && !named.includes('/') ? `library/${named}` : named, target: digest ?? tag }
}

/** Loopback never leaves the machine; everything else is TLS. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(host)
}
