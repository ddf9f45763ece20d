import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Credential, CredentialKind } from '#domain/access/credential.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Finds a credential (key, login, token, link) by kind and id, so that a page or connection can check it again after its request has ended. */
    credentials: {
      find (kind: CredentialKind, id?: string): Credential
    }
  }
}

async function credentials (app: FastifyInstance): Promise<void> {
  const kinds: Record<CredentialKind, (id: string) => Omit<Credential, 'kind' | 'id'>> = {
    none: () => ({ opener: async () => undefined, holds: async () => app.config.auth === 'none' }),
    key: id => ({ opener: async () => ({ keyId: id }), holds: () => app.keys.isInForce(id) }),
    login: id => app.logins.hold(id),
    token: until => ({ opener: async () => ({ issuer: app.config.oidcIssuer }), until: new Date(until), holds: async () => new Date() < new Date(until) }), // a provider's token cannot be revoked: it holds until it expires
    share: id => ({ opener: async () => undefined, holds: () => app.shares.isInForce(id) })
  }
  app.decorate('credentials', { find: (kind, id = '') => ({ kind, id, ...kinds[kind](id) }) } satisfies FastifyInstance['credentials'])
}

export default fp(credentials, { name: 'credentials', dependencies: ['config', 'keys', 'logins', 'shares'] })
