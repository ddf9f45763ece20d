import { createHmac, timingSafeEqual } from 'node:crypto'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Client } from '#domain/access/login.ts'
import { SHARE_MODES, type ShareMode } from '#domain/access/share.ts'
import { CREDENTIAL_KINDS, type Credential, type Visitor } from '#domain/access/credential.ts'
import { failure } from '#errors.ts'
import { ownSecret } from '#system/instance/own-secret.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Tokens of loaded display pages. They replace cookies, which an opaque origin cannot have. A token holds as long as its visitor's credential. */
    pageTokens: {
      issue (sessionId: string, visitor: Visitor): string
      /**
       * The page with this token. After the end of the session, the token holds for principals who may still know of the session.
       * @throws {Ex10Error} EX10_SESSION_NOT_FOUND, for a forged token, too; EX10_SHARE_NOT_FOUND or EX10_UNAUTHENTICATED when the visitor's credential has ended
       */
      check (token: string, sessionId: string, from: Client): Promise<Page>
    }
  }
}

interface Page { mode: ShareMode, credential: Credential }

async function pageTokens (app: FastifyInstance): Promise<void> {
  // the key outlives the server, so that open pages can reconnect to the next one
  const key = createHmac('sha256', ownSecret(app.instance.folder.cookieSecret)).update('page tokens').digest()

  app.decorate('pageTokens', {
    issue: (sessionId, { share, credential }) => sign(sessionId, share?.mode ?? 'control', credential),
    async check (token, sessionId, from) {
      const page = read(token, sessionId)
      if (!page) throw failure('SESSION_NOT_FOUND')
      if (await page.credential.holds(from)) return page
      app.sessions.get(sessionId) // throws SESSION_NOT_FOUND when the session has ended: that is the reason, not its revoked link
      throw failure(page.credential.kind === 'share' ? 'SHARE_NOT_FOUND' : 'UNAUTHENTICATED')
    }
  } satisfies FastifyInstance['pageTokens'])

  function sign (sessionId: string, mode: ShareMode, { kind, id }: Pick<Credential, 'kind' | 'id'>): string {
    const text = [mode, kind, id].join(' ')
    const mac = createHmac('sha256', key).update(`${sessionId} ${text}`).digest('base64url')
    return `${mac}.${Buffer.from(text).toString('base64url')}`
  }

  /** The content of the token; undefined unless this instance has signed it for this session. */
  function read (token: string, sessionId: string): Page | undefined {
    const [mode, kind, id = ''] = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString().split(' ')
    const says = { mode: SHARE_MODES.find(name => name === mode), kind: CREDENTIAL_KINDS.find(name => name === kind), id }
    if (!says.mode || !says.kind) return undefined
    const [shown, wanted] = [token, sign(sessionId, says.mode, { kind: says.kind, id })].map(text => Buffer.from(text))
    return shown!.length === wanted!.length && timingSafeEqual(shown!, wanted!) ? { mode: says.mode, credential: app.credentials.find(says.kind, id) } : undefined
  }
}

export default fp(pageTokens, { name: 'page-tokens', dependencies: ['credentials', 'instance', 'sessions'] })
