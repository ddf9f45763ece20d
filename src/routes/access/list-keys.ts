import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { viewKey } from './key-view.ts'

/** GET /admin/keys: what is kept of them, which is not the keys. */
const listKeys: FastifyPluginAsyncTypebox = async app => {
  app.get('/admin/keys', {
    config: { scope: 'admin' },
    schema: {
      operationId: 'listKeys',
      summary: 'Lists all API keys, oldest first, also those that are not in force any more',
      tags: ['access'],
      response: { 200: Type.Object({ keys: Type.Array(Type.Ref('ApiKey')) }) }
    }
  }, async () => ({ keys: (await app.keys.list()).map(viewKey) }))
}

export default listKeys
