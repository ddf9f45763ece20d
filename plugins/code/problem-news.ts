import { createHash } from 'node:crypto'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { SessionFacts } from '#domain/session.ts'
import { failure } from '#errors.ts'
import type { Problem } from '#schemas/problem.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The problems of sessions' code, for pages that wait for changes. */
    problemNews: {
      /** The problems, and a tag that changes with them. */
      now (facts: SessionFacts): News
      /**
       * Resolves when the tag is not `known`, when the session has ended, after 25 s, or when `signal` aborts.
       * @throws {Ex10Error} EX10_TOO_MANY_STREAMS
       */
      next (facts: SessionFacts, known: string, signal: AbortSignal): Promise<void>
    }
  }
}

interface News { tag: string, problems: Problem[] }

const WAIT_MS = 25_000
/** The most waiting pages of one session: one for each possible viewer, and some whose clients are gone unnoticed. */
const MAX_WAITING = 64

async function problemNews (app: FastifyInstance): Promise<void> {
  /** The waiting requests by session. Each function is called after every event of the session, with whether the session is over. */
  const waiting = new Map<string, Set<(isOver: boolean) => void>>()

  app.audit.own('waiting page', () => waiting.keys())
  app.events.observe(({ id }, { type }) => {
    const those = waiting.get(id)
    if (type === 'ended') waiting.delete(id)
    for (const look of those ?? []) look(type === 'ended')
  })
  app.decorate('problemNews', { now, next } satisfies FastifyInstance['problemNews'])
  app.addHook('preClose', async () => { // otherwise the server would wait for these requests
    for (const look of [...waiting.values()].flatMap(those => [...those])) look(true)
  })

  function now (facts: SessionFacts): News {
    const problems = app.codeUpdates.problems(facts)
    return { tag: createHash('sha256').update(JSON.stringify(problems)).digest('base64url').slice(0, 16), problems }
  }

  async function next (facts: SessionFacts, known: string, signal: AbortSignal): Promise<void> {
    if (now(facts).tag !== known) return
    const those = waiting.get(facts.id) ?? new Set()
    if (those.size >= MAX_WAITING) throw failure('TOO_MANY_STREAMS')
    const { promise, resolve } = Promise.withResolvers<void>()
    const look = (isOver: boolean) => { if (isOver || now(facts).tag !== known) resolve() }
    const stop = () => resolve()
    waiting.set(facts.id, those.add(look))
    const timer = setTimeout(stop, WAIT_MS)
    signal.addEventListener('abort', stop)
    if (signal.aborted) resolve()
    try {
      await promise
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      those.delete(look)
      if (those.size === 0 && waiting.get(facts.id) === those) waiting.delete(facts.id)
    }
  }
}

export default fp(problemNews, { name: 'problem-news', dependencies: ['audit', 'events', 'code-updates'] })
