import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { DevServer } from '../src/domain/capabilities.ts'
import type { SessionFacts, Template } from '../src/domain/session.ts'
import { IN_SANDBOX } from '../src/system/sandbox.ts'
import { waitForHttp } from '../src/system/tcp.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The template's dev server, which builds what Chromium loads, and again when code is pushed. */
    devServer: DevServer
  }
}

async function devServer (app: FastifyInstance): Promise<void> {
  app.decorate('devServer', {
    async start (facts: SessionFacts, template: Template, signal: AbortSignal) {
      const port = String(facts.slot.devServerPort)
      const words: Record<string, string> = { $PORT: port, $STORE: IN_SANDBOX.template }
      await app.sandboxes.startService(facts, {
        name: 'dev-server',
        argv: template.dev.map(word => word.replace(/\$[A-Z]+/g, name => words[name] ?? name)),
        env: { PORT: port },
        cwd: facts.account.home
      }, signal)
      await waitForHttp(facts.slot.devServerPort, template.ready, signal)
    },
    stop: (facts: SessionFacts, signal: AbortSignal) => app.sandboxes.stopService(facts, 'dev-server', signal)
  })
}

export default fp(devServer, { name: 'dev-server', dependencies: ['sandboxes'] })
