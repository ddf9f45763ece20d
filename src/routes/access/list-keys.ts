import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { KeyList } from '#schemas/key.ts'
import { viewKey } from './key-view.ts'

/** GET /admin/keys: the stored facts about each key, without its secret. */
const listKeys: FastifyPluginAsyncTypebox = async app => {
  app.get('/admin/keys', {
    config: { scope: 'admin' },
    schema: {
      operationId: 'listKeys',
      summary: 'Lists all API keys, oldest first, including revoked and expired ones',
      description: 'Revoked and expired keys are in the list, too. No secret is.',
      tags: ['access'],
      response: { 200: KeyList }
    }
  }, async () => ({ keys: (await app.keys.list()).map(viewKey) }))
}

export default listKeys
