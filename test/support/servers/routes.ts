import diagnostics from 'node:diagnostics_channel'
import { rmSync } from 'node:fs'
import type { FastifyContextConfig, FastifyInstance, RouteOptions } from 'fastify'
import pino from 'pino'
import { buildApp } from '#app.ts'
import { readConfig } from '#config.ts'
import { testEnv } from './server.ts'

/** A route as the server registers it; what HEAD answers goes with GET. */
export interface ListedRoute { method: string, url: string, config: FastifyContextConfig }

interface Described { content?: Record<string, { schema: object }> }

/** The parts of an OpenAPI document that tests read. */
export interface ApiDocument {
  openapi: string
  paths: Record<string, Record<string, { operationId: string, security: object[], requestBody?: Described, responses: Record<string, Described> }>>
  components: { schemas: object, responses: object, securitySchemes: object }
}

/** Every route of a server with these settings: ours, and those of the libraries. The server is built, and closed without having listened. */
export async function listRoutes (overrides: Record<string, string>): Promise<ListedRoute[]> {
  return (await readApi(overrides)).routes
}

/** Every route, as above, and the document that describes them. */
export async function readApi (overrides: Record<string, string>): Promise<{ routes: ListedRoute[], document: ApiDocument }> {
  const found = new Map<string, { method: string, url: string, route: RouteOptions }>()
  const note = (route: RouteOptions) => {
    const { url } = route
    for (const name of [route.method].flat()) {
      const method = name === 'HEAD' ? 'GET' : name // of a prefix with a slash, Fastify tells of HEAD only
      found.set(`${method} ${url}`, { method, url, route })
    }
  }
  const watch = (message: unknown) => { (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', note) }
  const env = testEnv(overrides)
  let document
  diagnostics.subscribe('fastify.initialization', watch)
  try {
    const app = await buildApp(readConfig(env), pino({ level: 'silent' }))
    document = app.swagger() as unknown as ApiDocument
    await app.close()
  } finally {
    diagnostics.unsubscribe('fastify.initialization', watch)
    rmSync(env.EX10_DATA_DIR!, { recursive: true, force: true })
  }
  const routes = [...found.values()].map(({ method, url, route: { config = {} } }) => ({ method, url, config })) // plugins have added to it meanwhile
  return { routes, document }
}
