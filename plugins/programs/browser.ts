import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { SessionFacts } from '#domain/session.ts'
import { BrowserChannel } from '#system/programs/browser-channel.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Chromium, with the person's extension loaded: what is said to it while it runs. */
    browser: {
      /** A way to speak with the browser. `changed` hears the id of each extension whose state or errors change meanwhile. End it with the session. */
      channel (facts: SessionFacts, changed: (id: string) => void): BrowserChannel
    }
  }
}

async function browser (app: FastifyInstance): Promise<void> {
  app.decorate('browser', {
    channel: (facts: SessionFacts, changed: (id: string) => void) => new BrowserChannel(facts.slot.devToolsPort, changed)
  })
}

export default fp(browser, { name: 'browser' })
