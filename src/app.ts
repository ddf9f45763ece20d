import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { Config } from './config.ts'
import admission from '#plugins/sessions/admission.ts'
import apiDocs from '#plugins/http/api-docs.ts'
import audit from '#plugins/machine/audit.ts'
import auditLog from '#plugins/operations/audit-log.ts'
import bodies from '#plugins/http/bodies.ts'
import browser from '#plugins/programs/browser.ts'
import channels from '#plugins/sessions/channels.ts'
import codeUpdates from '#plugins/code/code-updates.ts'
import config from '#plugins/config.ts'
import connections from '#plugins/http/connections.ts'
import credentials from '#plugins/access/credentials.ts'
import creations from '#plugins/sessions/creations.ts'
import devServer from '#plugins/programs/dev-server.ts'
import errorReplies from '#plugins/http/error-replies.ts'
import events from '#plugins/live/events.ts'
import expiry from '#plugins/live/expiry.ts'
import files from '#plugins/code/files.ts'
import firewall from '#plugins/machine/firewall.ts'
import identity from '#plugins/access/identity.ts'
import keys from '#plugins/access/keys.ts'
import linuxUsers from '#plugins/machine/linux-users.ts'
import logins from '#plugins/access/logins.ts'
import oidc from '#plugins/access/oidc.ts'
import origins from '#plugins/http/origins.ts'
import pageTokens from '#plugins/display/page-tokens.ts'
import pages from '#plugins/display/pages.ts'
import places from '#plugins/machine/places.ts'
import ports from '#plugins/machine/ports.ts'
import problemNews from '#plugins/code/problem-news.ts'
import rateLimits from '#plugins/http/rate-limits.ts'
import reconciler from '#plugins/sessions/reconciler.ts'
import registry from '#plugins/machine/registry.ts'
import rights from '#plugins/sessions/rights.ts'
import sandboxes from '#plugins/machine/sandboxes.ts'
import sessionProxy from '#plugins/display/session-proxy.ts'
import sessions from '#plugins/sessions/sessions.ts'
import shares from '#plugins/access/shares.ts'
import statistics from '#plugins/operations/statistics.ts'
import supervision from '#plugins/live/supervision.ts'
import templates from '#plugins/code/templates.ts'
import uploads from '#plugins/code/uploads.ts'
import xpra from '#plugins/programs/xpra.ts'
import { httpOptions } from './http/options.ts'
import { routes } from './routes/index.ts'

/** Builds the server: everything that is registered, in order. It does not listen yet. */
export async function buildApp (settings: Config, loggerInstance: FastifyBaseLogger): Promise<FastifyInstance> {
  const app = Fastify(httpOptions(settings, loggerInstance)).withTypeProvider<TypeBoxTypeProvider>()
  try {
    await register(app, settings)
    await app.ready()
    return app
  } catch (error) {
    await app.close() // gives back what was claimed before the failure
    throw error
  }
}

/** All that the server is made of, each after what it needs. Closed in reverse: sessions end first, while all that they need still stands. */
const plugins = [
  errorReplies, connections, origins, bodies,
  registry, audit, rateLimits, keys, logins, oidc, shares, credentials, identity, ports, places, linuxUsers, firewall, sandboxes, templates, xpra,
  browser, devServer, events, auditLog, statistics, channels, expiry, supervision, codeUpdates, files, uploads, problemNews, sessions, rights, admission, creations, reconciler,
  sessionProxy, pageTokens, pages,
  apiDocs
]

async function register (app: FastifyInstance, settings: Config): Promise<void> {
  await app.register(config, { config: settings })
  for (const plugin of plugins) await app.register(plugin)
  for (const route of routes) await app.register(route)
}
