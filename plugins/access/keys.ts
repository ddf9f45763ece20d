import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { KeyStore } from '#domain/access/key-store.ts'
import { isUnavailable } from '#domain/storage/store-link.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The API keys of this instance. */
    keys: KeyStore
  }
}

async function keys (app: FastifyInstance): Promise<void> {
  const store = await app.instance.stores.openKeys(err => { if (!isUnavailable(err)) app.log.error({ err }, 'key use not recorded') })
  app.addHook('onClose', () => store.close())
  app.decorate('keys', store)
}

export default fp(keys, { name: 'keys', dependencies: ['instance'] })
