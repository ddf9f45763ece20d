import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { homePageHeaders } from '#pages/home/render.ts'

/** GET /: the home page, at the address that the server prints. */
const viewHome: FastifyPluginAsyncTypebox = async app => {
  app.get('/', { config: { scope: 'everybody' }, schema: { hide: true } }, async (_request, reply) => reply.headers(homePageHeaders).send(app.pages.renderHome()))
}

export default viewHome
