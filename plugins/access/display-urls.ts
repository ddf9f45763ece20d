import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { CREDENTIAL_KINDS, type Credential } from '#domain/access/credential.ts'
import type { Client } from '#domain/access/login.ts'
import { Signer } from '#domain/access/signer.ts'
import { failure } from '#errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Tokens in the addresses of display pages, for front ends whose frames send no credential. Each holds for one session,
     * and no longer than the credential of the caller that it was issued to.
     */
    displayUrls: {
      /** A token that opens the page for five minutes. */
      issue (sessionId: string, caller: Caller): string
      /** The caller that the token was issued to. @throws {Ex10Error} EX10_DISPLAY_URL_EXPIRED, for a forged token, too; EX10_UNAUTHENTICATED */
      open (token: string, sessionId: string, from: Client): Promise<Caller>
      /** A token for the opened page: as long as the credential holds, it gets tokens for new addresses. It opens no page itself. */
      issueRenewal (sessionId: string, caller: Caller): string
      /** A token for a new address. @throws {Ex10Error} EX10_SESSION_NOT_FOUND, for a forged token, too; EX10_UNAUTHENTICATED */
      renew (renewal: string, sessionId: string, from: Client): Promise<string>
    }
  }
}

/** A user who may view the session. */
interface Caller { user: string, credential: Credential }

const LIFE_MS = 300_000

async function displayUrls (app: FastifyInstance): Promise<void> {
  const [addresses, renewals] = [new Signer(app.secrets.list, 'display addresses'), new Signer(app.secrets.list, 'display renewals')]

  app.decorate('displayUrls', {
    issue,
    async open (token, sessionId, from) {
      const [until, ...rest] = addresses.read(token, sessionId)?.split(' ') ?? []
      if (until === undefined || Number(until) <= Date.now()) throw failure('DISPLAY_URL_EXPIRED')
      return await holding(rest, from)
    },
    issueRenewal: (sessionId, caller) => renewals.sign(sessionId, nameOf(caller)),
    async renew (renewal, sessionId, from) {
      const words = renewals.read(renewal, sessionId)?.split(' ')
      if (!words) throw failure('SESSION_NOT_FOUND')
      return issue(sessionId, await holding(words, from))
    }
  } satisfies FastifyInstance['displayUrls'])

  function issue (sessionId: string, caller: Caller): string {
    return addresses.sign(sessionId, `${Date.now() + LIFE_MS} ${nameOf(caller)}`)
  }

  /** The caller with this name, while the credential holds for this client. */
  async function holding ([kind, id, user = '']: string[], from: Client): Promise<Caller> {
    const credential = app.credentials.find(CREDENTIAL_KINDS.find(name => name === kind)!, id) // the signature shows that the server wrote it
    if (!await credential.holds(from)) throw failure('UNAUTHENTICATED')
    return { user, credential }
  }
}

/** Three words: neither ids of credentials nor names of users have spaces. */
function nameOf ({ user, credential: { kind, id } }: Caller): string {
  return [kind, id, user].join(' ')
}

export default fp(displayUrls, { name: 'display-urls', dependencies: ['credentials', 'secrets'] })
