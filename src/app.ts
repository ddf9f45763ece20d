import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { Config } from './config.ts'
import admission from '../plugins/admission.ts'
import apiDocs from '../plugins/api-docs.ts'
import audit from '../plugins/audit.ts'
import auditLog from '../plugins/audit-log.ts'
import bodies from '../plugins/bodies.ts'
import browser from '../plugins/browser.ts'
import channels from '../plugins/channels.ts'
import codeUpdates from '../plugins/code-updates.ts'
import config from '../plugins/config.ts'
import connections from '../plugins/connections.ts'
import credentials from '../plugins/credentials.ts'
import creations from '../plugins/creations.ts'
import devServer from '../plugins/dev-server.ts'
import errorReplies from '../plugins/error-replies.ts'
import events from '../plugins/events.ts'
import expiry from '../plugins/expiry.ts'
import files from '../plugins/files.ts'
import firewall from '../plugins/firewall.ts'
import identity from '../plugins/identity.ts'
import keys from '../plugins/keys.ts'
import linuxUsers from '../plugins/linux-users.ts'
import logins from '../plugins/logins.ts'
import oidc from '../plugins/oidc.ts'
import origins from '../plugins/origins.ts'
import pageTokens from '../plugins/page-tokens.ts'
import pages from '../plugins/pages.ts'
import places from '../plugins/places.ts'
import ports from '../plugins/ports.ts'
import problemNews from '../plugins/problem-news.ts'
import rateLimits from '../plugins/rate-limits.ts'
import reconciler from '../plugins/reconciler.ts'
import registry from '../plugins/registry.ts'
import rights from '../plugins/rights.ts'
import sandboxes from '../plugins/sandboxes.ts'
import sessionProxy from '../plugins/session-proxy.ts'
import sessions from '../plugins/sessions.ts'
import shares from '../plugins/shares.ts'
import statistics from '../plugins/statistics.ts'
import supervision from '../plugins/supervision.ts'
import templates from '../plugins/templates.ts'
import uploads from '../plugins/uploads.ts'
import xpra from '../plugins/xpra.ts'
import { httpOptions } from './http-options.ts'
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
