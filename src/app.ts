import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { Config } from './config.ts'
import apiDocs from '../plugins/api-docs.ts'
import audit from '../plugins/audit.ts'
import bodies from '../plugins/bodies.ts'
import browser from '../plugins/browser.ts'
import codeUpdates from '../plugins/code-updates.ts'
import config from '../plugins/config.ts'
import devServer from '../plugins/dev-server.ts'
import errorReplies, { notFoundReply } from '../plugins/error-replies.ts'
import firewall from '../plugins/firewall.ts'
import linuxUsers from '../plugins/linux-users.ts'
import origins from '../plugins/origins.ts'
import pages from '../plugins/pages.ts'
import ports from '../plugins/ports.ts'
import reconciler from '../plugins/reconciler.ts'
import registry from '../plugins/registry.ts'
import sandboxes from '../plugins/sandboxes.ts'
import sessionProxy from '../plugins/session-proxy.ts'
import sessions from '../plugins/sessions.ts'
import templates from '../plugins/templates.ts'
import xpra from '../plugins/xpra.ts'
import addSession from './routes/add-session.ts'
import createSession from './routes/create-session.ts'
import deleteSession from './routes/delete-session.ts'
import getAudit from './routes/get-audit.ts'
import getDisplayFile from './routes/get-display-file.ts'
import getDisplayState from './routes/get-display-state.ts'
import getLogs from './routes/get-logs.ts'
import getSession from './routes/get-session.ts'
import health from './routes/health.ts'
import listSessions from './routes/list-sessions.ts'
import ready from './routes/ready.ts'
import updateCode from './routes/update-code.ts'
import viewHome from './routes/view-home.ts'
import viewSession from './routes/view-session.ts'
import { buildValidator } from './validator.ts'

/** Builds the server: everything that is registered, in order. It does not listen yet. */
export async function buildApp (settings: Config, loggerInstance: FastifyBaseLogger): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance,
    trustProxy: settings.trustProxy.length > 0 ? settings.trustProxy : false,
    forceCloseConnections: true,
    requestTimeout: 120_000, // a push of 20 MiB takes its time on a slow line
    pluginTimeout: 0, // the start undoes whatever an earlier server left, however much that is
    http: {
      headersTimeout: 10_000,
      // of the upgrades, only WebSockets are ours: a request that offers HTTP/2 is answered as it is
      shouldUpgradeCallback: request => request.headers.upgrade?.toLowerCase() === 'websocket'
    },
    ajv: { customOptions: { removeAdditional: false } },
    schemaController: { compilersFactory: { buildValidator } },
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
  await app.register(codeUpdates)
  await app.register(sessions)
  await app.register(reconciler)
  await app.register(sessionProxy)
  await app.register(pages)

  await app.register(apiDocs)
  const routes = [
    createSession, addSession, listSessions, getSession, deleteSession, getLogs, updateCode,
    viewHome, viewSession, getDisplayFile, getDisplayState, getAudit, health, ready
  ]
  for (const route of routes) await app.register(route)
}
