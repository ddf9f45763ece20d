import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { limitsOf } from '#domain/machine/places.ts'

/** Reads the state of the machine: slots, places, disk, firewall and the last audit. */
async function machineMetrics (app: FastifyInstance): Promise<void> {
  const { slots } = app.config
  const limit = limitsOf(app.config, app.config.auth !== 'none').total
  let losses = 0
  let measuring: ReturnType<FastifyInstance['homes']['measure']> | undefined
  const { own } = app.metrics
  const gauge = (name: string, help: string, read: Parameters<typeof own>[0]['read'], labels: string[] = []) => own({ name, help, type: 'gauge', labels, read })

  app.firewall.onAlarm(state => { if (state === 'lost') losses++ })

  gauge('ex10_sessions', 'Sessions that have not ended, by their state', () => {
    const live = app.registry.live()
    return ['creating', 'ready', 'stopping'].map(state => [{ state }, live.filter(session => session.state === state).length])
  }, ['state'])
  gauge('ex10_sessions_limit', 'How many sessions there may be', () => limit)
  gauge('ex10_slots', 'How many slots there are', () => slots)
  gauge('ex10_slots_free', 'Slots that no session has', () => app.ports.count().free)
  gauge('ex10_queue_length', 'Creations that wait for their turn', () => app.places.waiting.length)
  gauge('ex10_homes_promised_bytes', 'Disk space that the homes and logs of the present sessions may still take', async () => (await measure())?.promisedBytes)
  gauge('ex10_homes_free_bytes', 'Free space of the disk that holds the homes, the promised space included', async () => (await measure())?.freeBytes)
  gauge('ex10_home_size_bytes', 'Free space that a further session needs', () => app.homes.bytesEach)
  gauge('ex10_firewall_up', '1 while the rules are in force, 0 while they are damaged', () => app.firewall.alarm() === undefined ? 1 : 0)
  own({ name: 'ex10_firewall_losses_total', help: 'How often the rules were found damaged', type: 'counter', read: () => losses })
  gauge('ex10_audit_findings', 'What the last audit found: leaked things, missing things, and kinds of things that it could not see', () => {
    const last = app.audit.last()
    return last ? [[{ finding: 'leaked' }, last.leaked], [{ finding: 'missing' }, last.missing], [{ finding: 'unseen' }, last.unseen]] : undefined
  }, ['finding'])
  gauge('ex10_audit_timestamp_seconds', 'Unix time of the last audit', () => {
    const at = app.audit.last()?.at
    return at && at.getTime() / 1000
  })

  /** The metrics of one scrape share one look at the disk. */
  function measure () {
    measuring ??= app.homes.measure().finally(() => { measuring = undefined })
    return measuring
  }
}

export default fp(machineMetrics, { name: 'machine-metrics', dependencies: ['config', 'metrics', 'audit', 'firewall', 'homes', 'places', 'ports', 'registry'] })
