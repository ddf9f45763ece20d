import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { SessionFacts, Template } from '#domain/session.ts'
import { Problem } from '#schemas/problem.ts'
import { loopbackJson } from '#system/kernel/loopback-json.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The template's dev server. It builds the extension that Chromium loads from the sources, and reports what has changed. */
    devServer: {
      /**
       * Has every file built that was written before the call. Returns what changed since version `after`. With `waitMs`,
       * waits for a later version, for at most that time.
       */
      changes (facts: SessionFacts, after: number, waitMs: number, signal: AbortSignal): Promise<Changes>
      /** Maps each problem's place to the sources: Chromium reports places in the built files. */
      inSources (facts: SessionFacts, template: Template, problems: Problem[], signal: AbortSignal): Promise<Problem[]>
    }
  }
}

/** A dev server's answer about the extension; docs/templates.md describes it for authors of templates. */
const Changes = Type.Object({
  version: Type.Integer({ minimum: 0, description: 'Grows with every change' }),
  ok: Type.Boolean({ description: 'The build succeeded: Chromium can load an extension made of the current sources' }),
  changed: Type.Array(Type.String({ maxLength: 32 }), { maxItems: 16, description: 'loaded, pages: what changed since `after`' }),
  manifest: Type.Optional(Type.String({ maxLength: 256 * 1024, description: 'The text of the manifest that Chromium is to load' })),
  building: Type.Optional(Type.Boolean()),
  problems: Type.Array(Problem, { maxItems: 50 })
})
export type Changes = Static<typeof Changes>

/** The place in the sources that a place in a built file comes from. */
const Origin = Type.Union([Type.Null(), Type.Pick(Problem, ['file', 'line', 'column'])])

const ORIGIN_BYTES = 8192
const ORIGIN_MS = 2000
const ANSWER_BYTES = 2 * 1024 * 1024
/** The time that a dev server may take to answer beyond `waitMs`. */
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

/** The problem with its place in the sources; unchanged when the dev server finds none. */
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
