import { once } from 'node:events'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { every } from '#domain/concurrency/every.ts'
import { isClean, type Audit, type Finding } from '#domain/machine/audit.ts'

export interface ReconcilerOptions {
  /** From the end of one pass to the next. */
  everyMs?: number
}

const EVERY_MS = 30_000
const REPAIR_MS = 20_000

/**
 * Audits at the start, before anybody is served, and then again and again; removes what belongs to no live session of
 * this instance. What is missing is told of: a live session that lacks something is its supervision's business.
 */
async function reconciler (app: FastifyInstance, { everyMs = EVERY_MS }: ReconcilerOptions): Promise<void> {
  const log = app.log.child({ plugin: 'reconciler' })
  const closing = new AbortController()
  const told = { warn: '', error: '' } // what stays is told of once, and again when it changes

  async function pass (isStart = false): Promise<void> {
    try {
      // at the start they were just tried, and at the end they are tried once more
      if (!isStart) await untilClosing(app.sessions.retry())
      await forgetOld()
      const found = await app.audit.run(closing.signal, isStart)
      tell('warn', 'found', found)
      if (isClean(found)) return
      await repair(found)
      const left = await app.audit.run(closing.signal)
      const removed = found.leaked.filter(({ repair }) => repair)
      if (left.leaked.length + left.unseen.length > 0) tell('error', 'left', left)
      else if (removed.length > 0) log.info({ removed: removed.map(show) }, 'reconciled')
    } catch (err) {
      if (!closing.signal.aborted) log.error({ err }, 'not reconciled')
    }
  }

  /** A full disk, or a registry that somebody holds, keeps nobody from making room. */
  async function forgetOld (): Promise<void> {
    try {
      await app.registry.forgetOld()
    } catch (err) {
      log.error({ err }, 'ended sessions are not forgotten')
    }
  }

  /** Waits for the work, but not at the end of the server; then it leaves no listener behind. */
  async function untilClosing (work: Promise<void>): Promise<void> {
    const over = new AbortController()
    const closed = once(closing.signal, 'abort', { signal: over.signal }).catch(() => {}) // the work was first
    await Promise.race([work, closed]).finally(() => over.abort())
  }

  /** One by one, in the order of the nouns: processes first, and last the folders that tell of the rest. */
  async function repair ({ leaked }: Audit): Promise<void> {
    for (const thing of leaked) {
      closing.signal.throwIfAborted()
      try {
        await thing.repair?.(AbortSignal.any([closing.signal, AbortSignal.timeout(REPAIR_MS)]))
      } catch (err) {
        log.warn({ err, ...show(thing) }, 'not removed') // the next look tells whether it stays
      }
    }
  }

  function tell (level: 'warn' | 'error', message: string, { leaked, missing, unseen }: Audit): void {
    const fields = { leaked: leaked.map(show), missing, unseen: unseen.map(({ noun, error }) => ({ noun, err: String(error) })) }
    if (isClean({ leaked, missing, unseen })) {
      told[level] = ''
      return
    }
    const text = JSON.stringify(fields)
    if (text !== told[level]) log[level](fields, message)
    told[level] = text
  }

  let passing = Promise.resolve()
  app.addHook('onReady', async () => {
    await pass(true)
    passing = every(everyMs, pass, closing.signal)
  })
  // before the sessions end, so that it is not at work on what they remove
  app.addHook('preClose', async () => {
    closing.abort()
    await passing
  })
}

function show ({ kind, name }: Finding): Finding {
  return { kind, name }
}

export default fp(reconciler, { name: 'reconciler', dependencies: ['audit', 'registry', 'sessions'] })
