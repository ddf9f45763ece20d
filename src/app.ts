import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { Config } from './config.ts'
import apiDocs from '../plugins/api-docs.ts'
import audit from '../plugins/audit.ts'
import bodies from '../plugins/bodies.ts'
import browser from '../plugins/browser.ts'
import codeUpdates from '../plugins/code-updates.ts'
import config from '../plugins/config.ts'
import connections from '../plugins/connections.ts'
import creations from '../plugins/creations.ts'
import devServer from '../plugins/dev-server.ts'
import errorReplies, { notFoundReply, refuseMalformed } from '../plugins/error-replies.ts'
import events from '../plugins/events.ts'
import expiry from '../plugins/expiry.ts'
import firewall from '../plugins/firewall.ts'
import linuxUsers from '../plugins/linux-users.ts'
import origins from '../plugins/origins.ts'
import pageTokens from '../plugins/page-tokens.ts'
import pages from '../plugins/pages.ts'
import ports from '../plugins/ports.ts'
import reconciler from '../plugins/reconciler.ts'
import registry from '../plugins/registry.ts'
import sandboxes from '../plugins/sandboxes.ts'
import sessionProxy from '../plugins/session-proxy.ts'
import sessions from '../plugins/sessions.ts'
import supervision from '../plugins/supervision.ts'
import templates from '../plugins/templates.ts'
import xpra from '../plugins/xpra.ts'
import { routes } from './routes/index.ts'
import { buildValidator } from './validator.ts'

/** Builds the server: everything that is registered, in order. It does not listen yet. */
export async function buildApp (settings: Config, loggerInstance: FastifyBaseLogger): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance,
    trustProxy: settings.trustProxy.length > 0 ? settings.trustProxy : false,
    forceCloseConnections: true,
    requestTimeout: 120_000, // a push of 20 MiB takes its time on a slow line
    connectionTimeout: 120_000, // nothing comes and nothing goes: nobody reads the answer
    pluginTimeout: 0, // the start undoes whatever an earlier server left, however much that is
    http: {
      headersTimeout: 10_000,
      connectionsCheckingInterval: 2000, // how often time limits are looked after
      joinDuplicateHeaders: true, // two of Host, Origin, Content-Type… are no good one
      requireHostHeader: false, // refused like an unknown one, in the one form
      // of the upgrades, only WebSockets are ours: a request that offers HTTP/2 is answered as it is
      shouldUpgradeCallback: request => request.headers.upgrade?.toLowerCase() === 'websocket'
    },
    ajv: { customOptions: { removeAdditional: false } },
    schemaController: { compilersFactory: { buildValidator } },
    clientErrorHandler: refuseMalformed,
    // a URL that cannot be decoded, an id that is too long: like any other that names nothing
    frameworkErrors: (_error, request, reply) => (reply as FastifyReply).code(404).send(notFoundReply(request.url))
  }).withTypeProvider<TypeBoxTypeProvider>()
  try {
    await register(app, settings)
    await app.ready()
    return app
  } catch (error) {
    await app.close() // gives back what was claimed before the failure
    throw error
  }
}

async function register (app: FastifyInstance, settings: Config): Promise<void> {
  await app.register(config, { config: settings })
  await app.register(errorReplies)
  await app.register(connections)
  await app.register(origins)
  await app.register(bodies)

  // closed in reverse: sessions end first, while all that they need still stands
  await app.register(registry)
  await app.register(audit)
  await app.register(ports)
  await app.register(linuxUsers)
  await app.register(firewall)
  await app.register(sandboxes)
  await app.register(templates)
  await app.register(xpra)
  await app.register(browser)
  await app.register(devServer)
  await app.register(events)
  await app.register(expiry)
  await app.register(supervision)
  await app.register(codeUpdates)
  await app.register(sessions)
  await app.register(creations)
  await app.register(reconciler)
  await app.register(sessionProxy)
  await app.register(pageTokens)
  await app.register(pages)

  await app.register(apiDocs)
  for (const route of routes) await app.register(route)
}
