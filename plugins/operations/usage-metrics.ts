import { performance } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { spreadOf, type Spread } from '#domain/operations/spread.ts'

interface Usage { memory: Spread | undefined, cores: Spread | undefined, cpuSeconds: number | undefined }

/** A reading is this old at most. */
const KEPT_MS = 1000
/** So many sessions are read before other work of the server has its turn. */
const AT_ONCE = 20

/** Sums up the memory and CPU of the sessions, from their cgroups, whenever the metrics are read. */
async function usageMetrics (app: FastifyInstance): Promise<void> {
  const { sessionMemory, sessionCpu } = app.config
  let seen = new Map<string, { cpuSeconds: number, at: number }>()
  let gone = 0 // CPU seconds of the sessions that have ended
  let readAt = -Infinity
  let isReading = false
  let reading: Promise<Usage>
  const { own } = app.metrics

  own({ name: 'ex10_sessions_memory_bytes', help: 'Memory of all sessions, their file cache included', type: 'gauge', read: async () => (await usage()).memory?.sum })
  own({ name: 'ex10_session_memory_bytes', help: 'Memory of one session: the median, the 90th percentile and the maximum over the sessions', type: 'gauge', labels: ['over'], read: async () => spread((await usage()).memory) })
  own({ name: 'ex10_session_memory_limit_bytes', help: 'Memory limit of a session', type: 'gauge', read: () => sessionMemory * 1024 * 1024 })
  own({ name: 'ex10_sessions_cpu_seconds_total', help: 'CPU time of all sessions, as far as the metrics were read while they lived', type: 'counter', read: async () => (await usage()).cpuSeconds })
  own({ name: 'ex10_session_cpu_cores', help: 'CPU cores that one session has used since the last reading: the median, the 90th percentile and the maximum over the sessions', type: 'gauge', labels: ['over'], read: async () => spread((await usage()).cores) })
  own({ name: 'ex10_session_cpu_limit_cores', help: 'CPU limit of a session', type: 'gauge', read: () => sessionCpu })

  /** All metrics of one scrape have one reading. */
  function usage (): Promise<Usage> {
    if (isReading || performance.now() - readAt < KEPT_MS) return reading
    readAt = performance.now()
    isReading = true
    reading = read().finally(() => { isReading = false })
    return reading
  }

  async function read (): Promise<Usage> {
    const before = seen
    const now = new Map<string, { cpuSeconds: number, at: number }>()
    const memory: number[] = []
    const cores: number[] = []
    for (const [index, session] of app.registry.live().entries()) {
      if (index % AT_ONCE === AT_ONCE - 1) await turn()
      const { memoryBytes, cpuSeconds } = app.sandboxes.usage(session)
      if (memoryBytes !== undefined) memory.push(memoryBytes)
      if (cpuSeconds === undefined) continue
      const at = performance.now()
      const earlier = before.get(session.id)
      if (earlier) cores.push((cpuSeconds - earlier.cpuSeconds) / ((at - earlier.at) / 1000))
      now.set(session.id, { cpuSeconds, at })
    }
    for (const [id, last] of before) {
      if (now.has(id)) continue
      if (app.registry.get(id)) now.set(id, last) // its groups could not be read this time
      else gone += last.cpuSeconds
    }
    seen = now
    return { memory: spreadOf(memory), cores: spreadOf(cores), cpuSeconds: gone + now.values().reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) }
  }
}

function spread (values: Spread | undefined): [{ over: string }, number][] | undefined {
  return values && [[{ over: 'median' }, values.median], [{ over: 'p90' }, values.p90], [{ over: 'max' }, values.max]]
}

export default fp(usageMetrics, { name: 'usage-metrics', dependencies: ['config', 'metrics', 'registry', 'sandboxes'] })
