import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Client } from '#domain/access/login.ts'
import { SHARE_MODES, type ShareMode } from '#domain/access/share.ts'
import { CREDENTIAL_KINDS, type Credential, type Visitor } from '#domain/access/credential.ts'
import { Signer } from '#domain/access/signer.ts'
import { failure } from '#errors.ts'

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
  const signer = new Signer(app.secrets.list, 'page tokens')

  app.decorate('pageTokens', {
    issue: (sessionId, { share, credential: { kind, id } }) => signer.sign(sessionId, [share?.mode ?? 'control', kind, id].join(' ')),
    async check (token, sessionId, from) {
      const page = read(token, sessionId)
      if (!page) throw failure('SESSION_NOT_FOUND')
      if (await page.credential.holds(from)) return page
      app.sessions.get(sessionId) // throws SESSION_NOT_FOUND when the session has ended: that is the reason, not its revoked link
      throw failure(page.credential.kind === 'share' ? 'SHARE_NOT_FOUND' : 'UNAUTHENTICATED')
    }
  } satisfies FastifyInstance['pageTokens'])

  /** The content of the token; undefined unless this instance has signed it for this session. */
  function read (token: string, sessionId: string): Page | undefined {
    const [mode, kind, id] = signer.read(token, sessionId)?.split(' ') ?? []
    const says = { mode: SHARE_MODES.find(name => name === mode), kind: CREDENTIAL_KINDS.find(name => name === kind) }
    return says.mode && says.kind && { mode: says.mode, credential: app.credentials.find(says.kind, id) }
  }
}

export default fp(pageTokens, { name: 'page-tokens', dependencies: ['credentials', 'secrets', 'sessions'] })
