import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { OwnSecrets } from '#system/instance/own-secret.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * The secrets that sign cookies and page tokens: the first one signs, all of them verify. They outlive the server, so that
     * open pages can reconnect to the next one. A retired one verifies until the last login and the last session of its time are over.
     */
    secrets: { list (): string[] }
  }
}

async function secrets (app: FastifyInstance): Promise<void> {
  const own = new OwnSecrets(app.instance.folder.cookieSecret)
  const { loginTimeout } = app.config

  app.decorate('secrets', {
    list () {
      const [oldest] = app.registry.live()
      const loggedInSince = Date.now() - loginTimeout * 1000
      return own.since(new Date(Math.min(loggedInSince, oldest?.createdAt.getTime() ?? Infinity)))
    }
  } satisfies FastifyInstance['secrets'])
}

export default fp(secrets, { name: 'secrets', dependencies: ['config', 'instance', 'registry'] })
