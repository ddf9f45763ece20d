import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import { version } from '#version.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The metrics for Prometheus. No label holds an id, a user, a path or any other free text, so that their number is bounded. */
    metrics: {
      /** Where counters and histograms that count as things happen are registered. */
      registry: Registry
      /** Adds a metric whose value is read each time that the metrics are. */
      own (metric: OwnMetric): void
      /** All metrics, in the text format of Prometheus. Readers at the same time share one reading. */
      read (): Promise<{ contentType: string, text: string }>
    }
  }
}

export interface OwnMetric {
  name: string
  help: string
  /** A counter must never fall while the server runs. */
  type: 'gauge' | 'counter'
  labels?: string[]
  /** The value, or the values with their labels; undefined while there is none. */
  read: () => Reading | Promise<Reading>
}

type Reading = number | undefined | [labels: Record<string, string>, value: number | undefined][]

/** Metrics of the library whose names break Prometheus' own rules. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

async function metrics (app: FastifyInstance): Promise<void> {
  const registry = new Registry()
  let reading: Promise<string> | undefined
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)

  app.decorate('metrics', {
    registry,
    own,
    async read () {
      reading ??= registry.metrics().finally(() => { reading = undefined })
      return { contentType: registry.contentType, text: await reading }
    }
  } satisfies FastifyInstance['metrics'])
  own({ name: 'ex10_build_info', help: 'The version of Ex10 and of Node; always 1', type: 'gauge', labels: ['version', 'node'], read: () => [[{ version, node: process.versions.node }, 1]] })

  function own ({ name, help, type, labels = [], read }: OwnMetric): void {
    const collect = async () => {
      metric.reset()
      if (labels.length === 0) metric.remove() // a reset metric without labels has the value 0
      try {
        const value = await read()
        for (const [names, each] of Array.isArray(value) ? value : [[{}, value] as const]) if (each !== undefined) metric.inc(names, each)
      } catch (err) {
        app.log.warn({ err, metric: name }, 'metric not read')
      }
    }
    const metric = new { gauge: Gauge, counter: Counter }[type]({ name, help, labelNames: labels, registers: [registry], collect })
  }
}

export default fp(metrics, { name: 'metrics' })
