import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { publicAddressOf } from '#domain/http/public-address.ts'
import { StartRefused } from '#errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Makes the addresses that answers and pages name. Below a path prefix, each of them has it. */
    publicAddress: {
      /** The path prefix, such as `/ex10`; empty without one. */
      prefix: string
      /** The path of a route for a browser: `/session/ID/` is `/ex10/session/ID/` below the prefix `/ex10`. */
      path (path: string): string
      /** The whole address of a route: at EX10_PUBLIC_URL, or without that at the address of the request. */
      url (path: string, request: FastifyRequest): string
    }
  }
}

async function publicAddress (app: FastifyInstance): Promise<void> {
  const { publicUrl } = app.config
  const { origin, prefix } = publicAddressOf(publicUrl)
  const path = (path: string) => prefix + path

  app.decorate('publicAddress', {
    prefix,
    path,
    url: (wanted, { protocol, headers }) => (origin || `${protocol}://${headers.host}`) + path(wanted) // the host that was checked
  } satisfies FastifyInstance['publicAddress'])

  // a proxy may leave the prefix in the path or take it off: a route below it would be reached by the path of another
  app.addHook('onRoute', ({ url }) => {
    const [, first] = prefix.split('/')
    if (first && url.split('/')[1] === first) throw new StartRefused(`EX10_PUBLIC_URL=${publicUrl} cannot be used: the server has a route of its own at ${url}; give another path, such as ${origin}/ex10`)
  })
}

export default fp(publicAddress, { name: 'public-address', dependencies: ['config'] })
