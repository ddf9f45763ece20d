import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import pino from 'pino'
import type { Test } from 'tap'
import { readConfig, type Config } from '#config.ts'
import { httpOptions } from '#http/options.ts'
import config from '#plugins/config.ts'
import errorReplies from '#plugins/http/error-replies.ts'

type Plugin = (app: FastifyInstance) => Promise<void>

/** What stands in for plugins that are not there, by decorator: only what the plugin under test uses of them. */
type StandIns = { [Name in keyof FastifyInstance]?: Partial<FastifyInstance[Name]> }

export interface Bare {
  /** Settings that differ from their defaults. */
  settings?: Partial<Config>
  standIns?: StandIns
}

/**
 * A Fastify as the server's own, with these plugins, and errors answered as ever, but without a machine. Routes can be
 * added until its first request. It is closed when the test ends.
 */
export async function bareApp (t: Test, plugins: Plugin[], { settings = {}, standIns = {} }: Bare = {}): Promise<FastifyInstance> {
  const all = { ...readConfig({}), ...settings }
  const app = Fastify(httpOptions(all, pino({ level: 'silent' })))
  t.teardown(() => app.close())
  await app.register(config, { config: all })
  await app.register(errorReplies)
  for (const [decorator, value] of Object.entries(standIns)) {
    const name = decorator.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
    await app.register(fp(async app => { app.decorate(decorator, value) }, { name }))
  }
  for (const plugin of plugins) await app.register(plugin)
  return app
}
