import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { DevServer } from '#domain/sessions/capabilities.ts'
import type { SessionFacts, Template } from '#domain/session.ts'
import { Problem } from '#schemas/problem.ts'
import { loopbackJson } from '#system/kernel/loopback-json.ts'
import { IN_SANDBOX } from '#system/sandbox/sandbox.ts'
import { answersHttp, waitForHttp } from '#system/kernel/tcp.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The template's dev server, which makes of the sources what Chromium loads, and tells what has changed. */
    devServer: DevServer & {
      /** Starts the dev server again if it is down; resolves when it answers. */
      raise (facts: SessionFacts, template: Template, signal: AbortSignal): Promise<void>
      answers (facts: SessionFacts, signal: AbortSignal): Promise<boolean>
      /**
       * Has everything built that was written before the call, and tells what changed since version `after`. With `waitMs`,
       * it answers when there is a later version, or when that time is over.
       */
      changes (facts: SessionFacts, after: number, waitMs: number, signal: AbortSignal): Promise<Changes>
      /** The problems, each where its cause is in the sources: a bundled script's place is one of the bundle. */
      inSources (facts: SessionFacts, template: Template, problems: Problem[], signal: AbortSignal): Promise<Problem[]>
    }
  }
}

/** What a dev server says of the extension; docs/templates.md says the same to those who write one. */
const Changes = Type.Object({
  version: Type.Integer({ minimum: 0, description: 'Grows with every change' }),
  ok: Type.Boolean({ description: 'What Chromium is to load is made of the sources as they are' }),
  changed: Type.Array(Type.String({ maxLength: 32 }), { maxItems: 16, description: 'loaded, pages: what changed since `after`' }),
  manifest: Type.Optional(Type.String({ maxLength: 256 * 1024, description: 'The text of the manifest that Chromium is to load' })),
  building: Type.Optional(Type.Boolean()),
  problems: Type.Array(Problem, { maxItems: 50 })
})
export type Changes = Static<typeof Changes>

/** Where in the sources a place of a built file comes from. */
const Origin = Type.Union([Type.Null(), Type.Pick(Problem, ['file', 'line', 'column'])])

const READY = '/'
const ORIGIN_BYTES = 8192
const ORIGIN_MS = 2000
const ANSWER_BYTES = 2 * 1024 * 1024
/** How much longer than it was asked to wait a dev server may take to answer. */
const LATE_MS = 10_000

async function devServer (app: FastifyInstance): Promise<void> {
  const { npmRegistry } = app.config
  app.decorate('devServer', {
    async start (facts: SessionFacts, template: Template, signal: AbortSignal) {
      const port = facts.slot.devServerPort
      const words: Record<string, string> = { $PORT: String(port), $STORE: IN_SANDBOX.template }
      await app.services.start(facts, {
        name: 'dev-server',
        argv: template.dev.map(word => word.replace(/\$[A-Z]+/g, name => words[name] ?? name)),
        env: npmRegistry ? { EX10_NPM_REGISTRY: npmRegistry } : {},
        cwd: facts.account.home,
        once: true
      }, signal)
      await waitForHttp(port, READY, signal)
    },
    async raise (facts: SessionFacts, template: Template, signal: AbortSignal) {
      await app.services.raise(facts, 'dev-server', signal)
      await waitForHttp(facts.slot.devServerPort, READY, signal)
    },
    answers: (facts: SessionFacts, signal: AbortSignal) => answersHttp(facts.slot.devServerPort, READY, signal),
    async changes (facts: SessionFacts, after: number, waitMs: number, outer: AbortSignal) {
      const signal = waitMs > 0 ? AbortSignal.any([outer, AbortSignal.timeout(waitMs + LATE_MS)]) : outer
      const answer = await loopbackJson(facts.slot.devServerPort, `/changes?after=${after}&wait=${waitMs}`, { maxBytes: ANSWER_BYTES, signal })
      return Value.Decode(Changes, answer)
    },
    inSources: async (facts: SessionFacts, { kind }: Template, problems: Problem[], signal: AbortSignal) =>
      kind === 'bundled' ? await Promise.all(problems.map(problem => inSources(facts.slot.devServerPort, problem, signal))) : problems,
    stop: (facts: SessionFacts, signal: AbortSignal) => app.services.stop(facts, 'dev-server', signal)
  })
}

/** One that cannot be found there stays as it is. */
async function inSources (port: number, problem: Problem, signal: AbortSignal): Promise<Problem> {
  const { file, line, column = 1 } = problem
  if (file === undefined || line === undefined) return problem
  try {
    const place = new URLSearchParams({ file, line: String(line), column: String(column) })
    const answer = await loopbackJson(port, `/origin?${place}`, { maxBytes: ORIGIN_BYTES, signal: AbortSignal.any([signal, AbortSignal.timeout(ORIGIN_MS)]) })
    return { ...problem, ...Value.Decode(Origin, answer) }
  } catch {
    return problem
  }
}

export default fp(devServer, { name: 'dev-server', dependencies: ['config', 'services'] })
