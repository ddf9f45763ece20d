import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Config } from '#config.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The settings, read once at start. */
    config: Config
  }
}

async function config (app: FastifyInstance, { config }: { config: Config }): Promise<void> {
  app.decorate('config', Object.freeze(config))
}

export default fp(config, { name: 'config' })
