import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { openKeys, type KeyStore } from '#stores/sqlite/keys.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The API keys of this instance. */
    keys: KeyStore
  }
}

async function keys (app: FastifyInstance): Promise<void> {
  const store = openKeys(app.instance.folder.keys, err => app.log.error({ err }, 'key use not recorded'))
  app.addHook('onClose', async () => store.close())
  app.decorate('keys', store)
}

export default fp(keys, { name: 'keys', dependencies: ['instance'] })
