import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { SessionFacts } from '#domain/session.ts'
import { BrowserChannel } from '#system/programs/browser-channel.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The running Chromium with the user's extension loaded. */
    browser: {
      /** Opens a channel to the browser. Calls `changed` with the id of each extension whose state or errors change. End the channel with the session. */
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
