import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { cookieFor } from '#domain/access/cookie.ts'
import { isChange } from '#domain/http/origins.ts'
import { CodeUpdate } from '#schemas/code-update.ts'
import { ErrorReply } from '#schemas/common.ts'
import { KeyView } from '#schemas/key.ts'
import { SessionEvent } from '#schemas/event.ts'
import { Problem } from '#schemas/problem.ts'
import { ProgressLine, SessionCreated } from '#schemas/progress.ts'
import { SessionView } from '#schemas/session.ts'
import { ShareView } from '#schemas/share.ts'
import { version } from '#version.ts'

/** The Content-Security-Policy of the page, which sends requests to this server only, and stands in no other site's frame. */
const PAGE_POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='", // its logo has a style element
  'img-src': "'self' data:",
  'connect-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'"
}

/** The OpenAPI document, made from the routes' schemas, and a page to read it. Registered before the routes and the display's proxy. */
async function apiDocs (app: FastifyInstance): Promise<void> {
  for (const schema of [ErrorReply, KeyView, SessionView, ShareView, ProgressLine, SessionCreated, Problem, SessionEvent, CodeUpdate]) app.addSchema(schema)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Ex10', description: 'Isolated live browsers for browser-extension development', version },
      tags: [{ name: 'sessions' }, { name: 'code' }, { name: 'shares' }, { name: 'access' }, { name: 'administration' }, { name: 'operation' }],
      components: {
        securitySchemes: {
          key: { type: 'http', scheme: 'bearer', description: 'An API key, with EX10_AUTH=keys or oidc, or an access token of the provider, with EX10_AUTH=oidc' },
          login: { type: 'apiKey', in: 'cookie', name: cookieFor('login', app.config.publicUrl).name, description: 'The cookie of a browser that is logged in' },
          csrf: { type: 'apiKey', in: 'header', name: 'x-csrf-token', description: 'With the cookie, for all that changes something: the csrfToken of GET /me' }
        }
      }
    },
    transform: ({ schema, url, route }) => {
      const shown = schema && { ...schema, security: securityOf(route) }
      return url.endsWith('/*') && shown?.params ? { schema: { ...shown, params: namedPath(shown.params as Params) }, url: url.replace(/\*$/, ':path') } : { schema: shown, url: url.replace(/(.)\/$/, '$1') } // Fastify names both forms by the second
    },
    refResolver: { buildLocalReference: (json, _baseUri, _fragment, index) => String(json.$id ?? `schema-${index}`) }
  })
  await app.register(async docs => {
    docs.decorate('defaultScope', 'everybody')
    await docs.register(swaggerUi, { routePrefix: '/docs', staticCSP: PAGE_POLICY })
  })
  app.get('/openapi.json', { config: { scope: 'everybody' }, schema: { hide: true } }, async () => app.swagger())
}

/** The credentials that the route accepts, from its method and config. The empty entry stands for EX10_AUTH=none. */
function securityOf ({ method, config }: RouteOptions): Record<string, string[]>[] {
  if (config?.scope === 'everybody') return []
  const isChanging = [method].flat().some(method => isChange(method, config))
  return [{ key: [] }, isChanging ? { login: [], csrf: [] } : { login: [] }, {}]
}

interface Params { properties: { [name: string]: unknown, '*': unknown } }

/** Renames the router's `*` parameter to `path`, a name that generated clients can use. */
function namedPath (params: Params) {
  const { '*': path, ...others } = params.properties
  return { type: 'object', properties: { ...others, path }, required: [...Object.keys(others), 'path'] }
}

export default fp(apiDocs, { name: 'api-docs', dependencies: ['config'] })
