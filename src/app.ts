import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { Config } from './config.ts'
import config from '#plugins/config.ts'
import access from '#plugins/access/index.ts'
import code from '#plugins/code/index.ts'
import display from '#plugins/display/index.ts'
import http from '#plugins/http/index.ts'
import live from '#plugins/live/index.ts'
import machine from '#plugins/machine/index.ts'
import memory from '#plugins/memory/index.ts'
import operations from '#plugins/operations/index.ts'
import programs from '#plugins/programs/index.ts'
import sessions from '#plugins/sessions/index.ts'
import storage from '#plugins/storage/index.ts'
import apiDocs from '#plugins/http/api-docs.ts'
import { httpOptions } from './http/options.ts'
import { routes } from './routes/index.ts'

/** Builds the server: registers all plugins and routes, in order. It does not listen yet. */
export async function buildApp (settings: Config, loggerInstance: FastifyBaseLogger): Promise<FastifyInstance> {
  const app = Fastify(httpOptions(settings, loggerInstance)).withTypeProvider<TypeBoxTypeProvider>()
  try {
    await register(app, settings)
    await app.ready()
    return app
  } catch (error) {
    await app.close() // releases all that was claimed before the failure
    throw error
  }
}

/**
 * All plugins, by neighbourhood. A neighbourhood uses itself and those before it (test/architecture.test.ts checks it).
 * They close in reverse: sessions end first, while everything that they need still works.
 */
const plugins = [...http, ...machine, ...storage, ...programs, ...live, ...code, ...access, ...operations, ...memory, ...sessions, apiDocs, ...display]

async function register (app: FastifyInstance, settings: Config): Promise<void> {
  await app.register(config, { config: settings })
  for (const plugin of plugins) await app.register(plugin)
  for (const route of routes) await app.register(route)
}
