/** Every address of the console, in one object. */
export const urls = {
  home: '/',
  imports: '/imports',
  import: (id: string) => `/imports/${encodeURIComponent(id)}`,
  pools: '/pools',
  pool: (name: string) => `/pools/${encodeURIComponent(name)}`,
  nodes: '/nodes',
  node: (name: string) => `/nodes/${encodeURIComponent(name)}`,
  images: '/images',
  mirrors: '/mirrors',
  events: '/events',
} as const
