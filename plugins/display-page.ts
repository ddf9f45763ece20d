import { randomBytes } from 'node:crypto'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { displayPageHeaders, renderDisplayPage } from '../src/display-page/render.ts'
import { loadDisplay, type LoadedFile } from '../src/system/display-files.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The page that shows a session's display, and its files. */
    displayPage: {
      /** A page for one viewer: it holds a new ticket. `host` is the request's, already checked. */
      render (sessionId: string, host: string): { html: string, headers: Record<string, string> }
      /** A file of this version of the page. */
      file (version: string, name: string): LoadedFile | undefined
    }
  }
}

async function displayPage (app: FastifyInstance): Promise<void> {
  const { version, files } = await loadDisplay()
  const frameAncestors = ["'self'", ...app.config.origins].join(' ')

  app.decorate('displayPage', {
    render (sessionId: string, host: string) {
      const nonce = randomBytes(16).toString('base64url')
      const ticket = app.sessionProxy.issueTicket(sessionId)
      return {
        html: renderDisplayPage({ sessionId, ticket, nonce, assetBase: `/display/${version}/` }),
        headers: displayPageHeaders({ nonce, host, frameAncestors })
      }
    },
    file: (wanted: string, name: string) => wanted === version ? files.get(name) : undefined
  })
}

export default fp(displayPage, { name: 'display-page', dependencies: ['config', 'session-proxy'] })
