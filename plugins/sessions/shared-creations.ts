import fp from 'fastify-plugin'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { Shared } from '#domain/concurrency/shared.ts'
import type { Remember, Remembered } from '#domain/sessions/remembered.ts'
import type { KeyedRequest, Requester } from '#domain/session.ts'
import type { FirstFiles } from '#domain/sessions/capabilities.ts'
import { failure } from '#errors.ts'
import type { ProgressLine } from '#schemas/progress.ts'
import type { CreateSessionOptions } from '#schemas/session.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Creations, and the requests that wait for them: several may wait for one. */
    sharedCreations: {
      /**
       * Begins a creation, or joins the one that a request with the same key has begun. Resolves with its lines, from the
       * first one, when it has been admitted; after the end of that creation, with its `complete` line alone. When the last
       * client has gone, the creation is undone, and its lines go on to their end; those of other clients that have gone end
       * with the reason, as an error. A creation that failed leaves its key free.
       * @throws {Ex10Error} EX10_KEY_REUSED, and the errors of `creations.admit`
       */
      join (order: CreationOrder, gone: AbortSignal, log: FastifyBaseLogger): Promise<AsyncIterable<ProgressLine>>
    }
  }
}

export interface CreationOrder {
  requester: Requester
  options: CreateSessionOptions
  /** The session's first files, in place of the template's. */
  own?: FirstFiles | undefined
  /** Of a request with an Idempotency-Key. */
  request?: KeyedRequest | undefined
  /** Finds the earlier session that the new one goes on from. Its options and files take the place of those above. */
  remember?: Remember | undefined
  /** Called once, when the first files are no longer needed. */
  release?: () => void
}

interface Creation { fingerprint: string, lines: Shared<ProgressLine> }

async function sharedCreations (app: FastifyInstance): Promise<void> {
  const underWay = new Map<string, Creation>() // by the request's key

  app.decorate('sharedCreations', {
    async join (order, gone, log) {
      const { request, release } = order
      const earlier = request && underWay.get(request.key)
      if (earlier && !earlier.lines.isAbandoned) {
        release?.()
        if (earlier.fingerprint !== request.fingerprint) throw failure('KEY_REUSED')
        return await begun(earlier.lines, gone)
      }
      const lines = new Shared(abandoned => create(order, earlier, abandoned, log))
      if (request) keep(request, lines)
      return await begun(lines, gone)
    }
  } satisfies FastifyInstance['sharedCreations'])

  /** Reserves the key while the creation is under way. */
  function keep ({ key, fingerprint }: KeyedRequest, lines: Shared<ProgressLine>): void {
    const creation = { fingerprint, lines }
    underWay.set(key, creation)
    lines.over.then(() => { if (underWay.get(key) === creation) underWay.delete(key) }) // never rejects
  }

  async function begun (lines: Shared<ProgressLine>, gone: AbortSignal): Promise<AsyncIterable<ProgressLine>> {
    const own = lines.read(gone)
    await lines.begun
    return own
  }

  async function * create ({ requester, options, own, request, remember, release }: CreationOrder, abandoned: Creation | undefined, gone: AbortSignal, log: FastifyBaseLogger): AsyncGenerator<ProgressLine, void, undefined> {
    try {
      await abandoned?.lines.over // it is being undone
      const line = request && await app.creations.completedBy(request)
      gone.throwIfAborted()
      if (line) yield line
      else if (remember) yield * goOn(requester, await remember(), request, gone, log)
      else yield * app.creations.create(await app.creations.admit(requester, options, own, request), gone, log)
    } finally {
      release?.()
    }
  }

  async function * goOn (requester: Requester, remembered: Remembered, request: KeyedRequest | undefined, gone: AbortSignal, log: FastifyBaseLogger): AsyncGenerator<ProgressLine, void, undefined> {
    let isReady = false
    try {
      const admission = await app.creations.admit(requester, remembered.options, remembered.own, request, remembered)
      for await (const line of app.creations.create(admission, gone, log)) {
        isReady = line.status === 'complete'
        yield line
      }
    } finally {
      await remembered.over(isReady).catch(err => log.error({ err }, 'recovery point not brought up to date'))
    }
  }
}

export default fp(sharedCreations, { name: 'shared-creations', dependencies: ['creations'] })
