import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { cookieFor } from '#domain/access/cookie.ts'
import { withComponents } from '#domain/http/api-document.ts'
import { isChange } from '#domain/http/origins.ts'
import { version } from '#version.ts'

const DESCRIPTION = `Isolated live browsers for browser-extension development.

A program sends its API key as \`Authorization: Bearer KEY\`; with \`EX10_AUTH=none\`, it sends none. Every refusal is an \`ErrorReply\`, with
a stable \`code\`. An answer of the type \`application/x-ndjson\` is a stream of lines, each of them one JSON object.`

const TAGS = [
  { name: 'sessions', description: 'Sessions are made, shown and ended' },
  { name: 'code', description: 'The extension\'s files: pushes, files one by one, archives' },
  { name: 'memory', description: 'What a session remembers: state, recovery points, archives' },
  { name: 'shares', description: 'Links to a session, for people without a login' },
  { name: 'access', description: 'Users, logins and API keys' },
  { name: 'administration', description: 'What admins see and do' },
  { name: 'operation', description: 'The state of the server, for its operator' }
]

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
  const { publicUrl } = app.config
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Ex10',
        summary: 'Isolated live browsers for browser-extension development',
        description: DESCRIPTION,
        version,
        contact: { name: 'The operator of this server' },
        license: { name: 'MIT', identifier: 'MIT' }
      },
      servers: [{ url: publicUrl || '/', description: 'This server' }],
      tags: TAGS,
      components: {
        securitySchemes: {
          key: { type: 'http', scheme: 'bearer', description: 'An API key, with EX10_AUTH=keys or oidc, or an access token of the provider, with EX10_AUTH=oidc' },
          login: { type: 'apiKey', in: 'cookie', name: cookieFor('login', publicUrl).name, description: 'The cookie of a browser that is logged in' },
          csrf: { type: 'apiKey', in: 'header', name: 'x-csrf-token', description: 'With the cookie, for all that changes something: the csrfToken of GET /me' }
        }
      }
    },
    transform: ({ schema, url, route }) => {
      const shown = schema && { ...schema, security: securityOf(route) }
      return url.endsWith('/*') && shown?.params ? { schema: { ...shown, params: namedPath(shown.params as Params) }, url: url.replace(/\*$/, ':path') } : { schema: shown, url: url.replace(/(.)\/$/, '$1') } // Fastify names both forms by the second
    },
    stripBasePath: false, // a path in the public address is not part of a route's
    transformObject: document => 'openapiObject' in document ? withComponents(document.openapiObject) : document.swaggerObject
  })
  await app.register(async docs => {
    docs.decorate('defaultScope', 'everybody')
    await docs.register(swaggerUi, { routePrefix: '/docs', staticCSP: PAGE_POLICY })
  })
  app.get('/openapi.json', {
    config: { scope: 'everybody' },
    schema: {
      operationId: 'getApiDocument',
      summary: 'This document',
      description: 'Its server is the address that the request was sent to, or the public one.',
      tags: ['operation'],
      response: { 200: Type.Object({}, { additionalProperties: true, title: 'ApiDocument', description: 'An OpenAPI document' }) }
    }
  }, async request => ({ ...app.swagger(), servers: [{ url: app.publicAddress.url('', request), description: 'This server' }] }))
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

export default fp(apiDocs, { name: 'api-docs', dependencies: ['config', 'public-address'] })
