import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { SessionFacts, Template } from '#domain/session.ts'
import { Problem } from '#schemas/problem.ts'
import { loopbackJson } from '#system/kernel/loopback-json.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The template's dev server, which makes of the sources what Chromium loads, and tells what has changed. */
    devServer: {
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

const ORIGIN_BYTES = 8192
const ORIGIN_MS = 2000
const ANSWER_BYTES = 2 * 1024 * 1024
/** How much longer than it was asked to wait a dev server may take to answer. */
const LATE_MS = 10_000

async function devServer (app: FastifyInstance): Promise<void> {
  app.decorate('devServer', {
    async changes (facts: SessionFacts, after: number, waitMs: number, outer: AbortSignal) {
      const signal = waitMs > 0 ? AbortSignal.any([outer, AbortSignal.timeout(waitMs + LATE_MS)]) : outer
      const answer = await loopbackJson(facts.slot.devServerPort, `/changes?after=${after}&wait=${waitMs}`, { maxBytes: ANSWER_BYTES, signal })
      return Value.Decode(Changes, answer)
    },
    inSources: async (facts: SessionFacts, { kind }: Template, problems: Problem[], signal: AbortSignal) =>
      kind === 'bundled' ? await Promise.all(problems.map(problem => inSources(facts.slot.devServerPort, problem, signal))) : problems
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

export default fp(devServer, { name: 'dev-server' })
