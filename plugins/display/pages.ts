import { randomBytes } from 'node:crypto'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { DISPLAY_FILES, displayFileHeaders, displayPageHeaders, renderDisplayPage } from '#pages/display/render.ts'
import { publicAddressOf } from '#domain/http/public-address.ts'
import { isPageLoad } from '#domain/http/page-load.ts'
import type { Visitor } from '#domain/access/credential.ts'
import { Ex10Error } from '#errors.ts'
import { HOME_FILES, homePageHeaders, renderHomePage } from '#pages/home/render.ts'
import { loadFiles, type LoadedFile } from '#system/display/page-files.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The HTML pages: a session's display page, the server's home page, and their files. */
    pages: {
      renderHome (refusal?: string): string
      /** Answers a refused page request with the home page and the error's message. */
      showRefusal (error: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply
      /**
       * Renders a display page for one visitor. It holds a new ticket, and the token with which it reads the session's state
       * and keeps the session. `host` is the request's, already checked. `renewal` is for a page that was opened by a `displayUrl`.
       */
      renderDisplay (sessionId: string, host: string, visitor: Visitor, renewal?: string): { html: string, headers: Record<string, string> }
      /** A file of this version of the pages. */
      file (version: string, name: string): LoadedFile | undefined
    }
  }
}

async function pages (app: FastifyInstance): Promise<void> {
  const { version, files } = await loadFiles([...DISPLAY_FILES, ...HOME_FILES].map(file => ({ ...file, headers: displayFileHeaders(file.type) })))
  const assetBase = app.publicAddress.path(`/display/${version}/`)
  const { auth, publicUrl } = app.config
  const frameAncestors = ["'self'", ...app.config.origins].join(' ')

  app.decorate('pages', {
    renderHome,
    showRefusal (error, request, reply) {
      if (!(error instanceof Ex10Error && isPageLoad(request))) throw error
      if (error.statusCode >= 500) request.log.error({ err: error }, 'request failed')
      if (error.retryAfterSeconds !== undefined) reply.header('retry-after', error.retryAfterSeconds)
      return reply.code(error.statusCode).headers(homePageHeaders).send(renderHome(error.message))
    },
    renderDisplay (sessionId: string, host: string, visitor: Visitor, renewal?: string) {
      const nonce = randomBytes(16).toString('base64url')
      const ticket = app.upgrades.issueTicket(sessionId, visitor)
      return {
        html: renderDisplayPage({ base: app.publicAddress.path(`/session/${sessionId}/`), ticket, token: app.pageTokens.issue(sessionId, visitor), nonce, assetBase, mode: visitor.share?.mode ?? 'control', ...(renewal !== undefined && { renewal }) }),
        headers: displayPageHeaders({ nonce, host: publicAddressOf(publicUrl).host || host, frameAncestors })
      }
    },
    file: (wanted: string, name: string) => wanted === version ? files.get(name) : undefined
  } satisfies FastifyInstance['pages'])

  function renderHome (refusal = ''): string {
    return renderHomePage({ base: app.publicAddress.path('/'), assetBase, login: auth === 'oidc' ? 'provider' : 'key', refusal })
  }
}

export default fp(pages, { name: 'pages', dependencies: ['config', 'page-tokens', 'public-address', 'upgrades'] })
