import type { FastifyInstance } from 'fastify'
import { Counter, Gauge, Histogram } from 'prom-client'
import type { Services } from './services.ts'

/** Seconds. */
const BUCKETS = [0.005, 0.02, 0.05, 0.2, 1, 5]

/** What Prometheus may read at /metrics: requests to the API, and pools, nodes and imports as they are at that moment. */
export function measure(app: FastifyInstance, { metrics, pools, nodes, imports, version }: Services): void {
  const registers = [metrics]
  const requests = new Counter({ name: 'drydock_api_requests_total', help: 'Requests to the API.', labelNames: ['method', 'route', 'status'], registers })
  const seconds = new Histogram({ name: 'drydock_api_request_seconds', help: 'Seconds until the answer was sent.', labelNames: ['method', 'route'], buckets: BUCKETS, registers })
  new Gauge({ name: 'drydock_info', help: 'The running version.', labelNames: ['version'], registers }).set({ version }, 1)
  new Gauge({
    name: 'drydock_pool_nodes', help: 'Nodes of a pool: wanted, ready, new, old, draining.', labelNames: ['pool', 'kind'], registers,
    collect() {
      this.reset()
      for (const pool of pools.list()) for (const [kind, count] of Object.entries(pool.counts)) this.set({ pool: pool.name, kind }, count)
    },
  })
  new Gauge({
    name: 'drydock_nodes', help: 'Nodes by phase.', labelNames: ['pool', 'phase'], registers,
    collect() {
      this.reset()
      for (const node of nodes.list()) this.inc({ pool: node.pool, phase: node.phase })
    },
  })
  new Gauge({
    name: 'drydock_imports', help: 'Imports by state.', labelNames: ['state'], registers,
    collect() {
      this.reset()
      for (const record of imports.list()) this.inc({ state: record.state })
    },
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none'
    requests.inc({ method: request.method, route, status: String(reply.statusCode) })
    seconds.observe({ method: request.method, route }, reply.elapsedTime / 1000)
  })
}
