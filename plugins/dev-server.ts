import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { DevServer } from '../src/domain/capabilities.ts'
import type { SessionFacts, Template } from '../src/domain/session.ts'
import { loopbackJson } from '../src/system/loopback-json.ts'
import { IN_SANDBOX } from '../src/system/sandbox.ts'
import { answersHttp, waitForHttp } from '../src/system/tcp.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The template's dev server, which builds what Chromium loads, and again when code is pushed. */
    devServer: DevServer & {
      /** Starts the dev server again if it is down; resolves when it answers. */
      raise (facts: SessionFacts, template: Template, signal: AbortSignal): Promise<void>
      answers (facts: SessionFacts, template: Template, signal: AbortSignal): Promise<boolean>
      /** Has everything built that was written before the call, and tells what changed since build `after`. */
      build (facts: SessionFacts, after: number, signal: AbortSignal): Promise<Build>
    }
  }
}

/** What a dev server says of its last build. */
const Build = Type.Object({
  version: Type.Number({ description: 'Grows with every build' }),
  ok: Type.Boolean(),
  error: Type.Optional(Type.String({ maxLength: 2000, description: 'For the person: what is wrong with the sources' })),
  worker: Type.Optional(Type.Boolean({ description: 'The extension has a service worker' })),
  changed: Type.Array(Type.String({ maxLength: 32 }), { maxItems: 16, description: 'manifest, scripts, pages, assets: what the builds since `after` changed' })
})
export type Build = Static<typeof Build>

const BUILD_BYTES = 8192

async function devServer (app: FastifyInstance): Promise<void> {
  app.decorate('devServer', {
    async start (facts: SessionFacts, template: Template, signal: AbortSignal) {
      const port = facts.slot.devServerPort
      const words: Record<string, string> = { $PORT: String(port), $STORE: IN_SANDBOX.template }
      await app.sandboxes.startService(facts, {
        name: 'dev-server',
        argv: template.dev.map(word => word.replace(/\$[A-Z]+/g, name => words[name] ?? name)),
        cwd: facts.account.home,
        once: true
      }, signal)
      await waitForHttp(port, template.ready, signal)
    },
    async raise (facts: SessionFacts, template: Template, signal: AbortSignal) {
      await app.sandboxes.raiseService(facts, 'dev-server', signal)
      await waitForHttp(facts.slot.devServerPort, template.ready, signal)
    },
    answers: (facts: SessionFacts, template: Template, signal: AbortSignal) => answersHttp(facts.slot.devServerPort, template.ready, signal),
    async build (facts: SessionFacts, after: number, signal: AbortSignal) {
      const answer = await loopbackJson(facts.slot.devServerPort, `/build?after=${after}`, { method: 'POST', maxBytes: BUILD_BYTES, signal })
      return Value.Decode(Build, answer)
    },
    stop: (facts: SessionFacts, signal: AbortSignal) => app.sandboxes.stopService(facts, 'dev-server', signal)
  })
}

export default fp(devServer, { name: 'dev-server', dependencies: ['sandboxes'] })
