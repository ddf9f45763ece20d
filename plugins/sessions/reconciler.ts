import { once } from 'node:events'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { every } from '#domain/concurrency/every.ts'
import { isClean, type Audit, type Finding } from '#domain/machine/audit.ts'

export interface ReconcilerOptions {
  /** The time from the end of one pass to the next. */
  everyMs?: number
}

const EVERY_MS = 30_000
const REPAIR_MS = 20_000

/**
 * Audits the machine before the server listens, and then again and again. Removes leaked things of this instance. Missing
 * things are only logged: supervision mends a live session that lacks something.
 */
async function reconciler (app: FastifyInstance, { everyMs = EVERY_MS }: ReconcilerOptions): Promise<void> {
  const log = app.log.child({ plugin: 'reconciler' })
  const closing = new AbortController()
  const logged = { warn: '', error: '', unknown: '' } // a finding that stays is logged once, and again when it changes

  async function pass (isStart = false): Promise<void> {
    try {
      // failed teardowns: at the start they have just been tried, and when the server closes they are tried once more
      if (!isStart) await untilClosing(app.sessions.retry())
      await forgetOld()
      const found = await app.audit.run(closing.signal, { isQuiet: isStart })
      tellUnknown(found)
      tell('warn', 'found', found)
      if (isClean(found)) return
      await repair(found)
      const left = await app.audit.run(closing.signal)
      const removed = found.leaked.filter(({ repair }) => repair)
      if (left.leaked.length + left.unseen.length > 0) tell('error', 'left', left)
      else if (removed.length > 0) log.info({ removed: removed.map(show) }, 'reconciled')
    } catch (err) {
      if (!closing.signal.aborted) log.error({ err }, 'reconciliation failed')
    }
  }

  /** Forgets old records. A failure (full disk, locked registry) is logged, so that leaked things are removed all the same. */
  async function forgetOld (): Promise<void> {
    try {
      await app.registry.forgetOld()
    } catch (err) {
      log.error({ err }, 'records of ended sessions not forgotten')
    }
  }

  /** Waits for the work, or until the server closes. Leaves no listener behind. */
  async function untilClosing (work: Promise<void>): Promise<void> {
    const over = new AbortController()
    const closed = once(closing.signal, 'abort', { signal: over.signal }).catch(() => {}) // the work was done first
    await Promise.race([work, closed]).finally(() => over.abort())
  }

  /** Removes leaked things one by one, in the order of their kinds: processes first, and last the folders that record the rest. */
  async function repair ({ leaked }: Audit): Promise<void> {
    for (const thing of leaked) {
      closing.signal.throwIfAborted()
      try {
        await thing.repair?.(AbortSignal.any([closing.signal, AbortSignal.timeout(REPAIR_MS)]))
      } catch (err) {
        log.warn({ err, ...show(thing) }, 'removal failed') // the next audit shows whether the thing is still there
      }
    }
  }

  function tellUnknown ({ unknown }: Audit): void {
    const names = unknown.map(({ name }) => name)
    if (unknown.length > 0 && names.join() !== logged.unknown) log.warn({ unknown: names }, 'unknown entries of the data folder: keep them elsewhere')
    logged.unknown = names.join()
  }

  function tell (level: 'warn' | 'error', message: string, { leaked, missing, unseen }: Audit): void {
    const fields = { leaked: leaked.map(show), missing, unseen: unseen.map(({ noun, error }) => ({ noun, err: String(error) })) }
    if (isClean({ leaked, missing, unseen })) {
      logged[level] = ''
      return
    }
    const text = JSON.stringify(fields)
    if (text !== logged[level]) log[level](fields, message)
    logged[level] = text
  }

  let passing = Promise.resolve()
  app.addHook('onReady', async () => {
    await pass(true)
    passing = every(everyMs, pass, closing.signal)
  })
  // stops before the sessions end, so that it is not removing things that their teardown removes
  app.addHook('preClose', async () => {
    closing.abort()
    await passing
  })
}

function show ({ kind, name }: Finding): Finding {
  return { kind, name }
}

export default fp(reconciler, { name: 'reconciler', dependencies: ['audit', 'registry', 'sessions'] })
