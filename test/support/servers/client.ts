import { once } from 'node:events'
import { request, type Agent, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { FormatRegistry, Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { AdminSessions, AuditLog, Statistics } from '#schemas/admin.ts'
import { DrainState } from '#schemas/drain.ts'
import { Validity } from '#schemas/expiry.ts'
import { FileList } from '#schemas/file.ts'
import { KeyView, Me } from '#schemas/key.ts'
import { Logs, SessionView } from '#schemas/session.ts'
import { ShareView } from '#schemas/share.ts'
import type { Server } from './server.ts'

/** Where requests go, and the headers of everyone who is asked for (`as` of access/keys.ts). */
type Target = Pick<Server, 'url' | 'headers'>

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  /** Read from JSON where the answer is JSON, else its text. Not typed: for refusals, and answers to what no schema knows. */
  body: any
  text: string
}

export interface Asked {
  method?: string
  /** Any header, also those that fetch keeps to itself: Host, Origin, Sec-Fetch-Site. */
  headers?: Record<string, string> | undefined
  /** An object is sent as JSON. A text is taken for JSON unless a header says what it is. */
  body?: object | string | undefined
  agent?: Agent
}

/** Sends any request, good or bad, and reads the whole answer. Follows no redirect. */
export async function ask (server: Target, path: string, { method = 'GET', headers, body, agent }: Asked = {}): Promise<Answer> {
  const isRaw = body === undefined || body instanceof Uint8Array || body instanceof Readable
  const asked = request(server.url + path, { method, agent, headers: { ...(!isRaw && { 'content-type': 'application/json' }), ...server.headers, ...headers } })
  if (body instanceof Readable) body.pipe(asked)
  else asked.end(isRaw || typeof body === 'string' ? body : JSON.stringify(body))
  const [response] = await once(asked, 'response') as [IncomingMessage]
  const said = await text(response)
  const isJson = said !== '' && response.headers['content-type']?.startsWith('application/json') // HEAD has no body
  return { status: response.statusCode ?? 0, headers: response.headers, text: said, body: isJson ? JSON.parse(said) : said }
}

const Findings = Type.Array(Type.Object({ kind: Type.String(), name: Type.String() }))

/** The routes that tests read, and what they answer: the server's own schemas, where these are apart from their route. */
const REPLIES = {
  '/health': Type.Object({
    status: Type.Literal('ok'),
    version: Type.String(),
    instance: Type.String(),
    sessions: Type.Integer(),
    waiting: Type.Integer(),
    draining: Type.Boolean(),
    store: Type.Object({ state: Type.Union([Type.Literal('here'), Type.Literal('away')]), since: Type.Optional(Type.String()), waiting: Type.Integer(), dropped: Type.Integer() }),
    isolation: Type.Object({ firewall: Type.String(), namespaces: Type.Array(Type.String()), cgroup: Type.String(), limits: Type.Array(Type.String()), home: Type.String(), landlock: Type.String(), seccomp: Type.String() }),
    encryption: Type.Object({ key: Type.Union([Type.String(), Type.Null()]), sealed: Type.Array(Type.String()) })
  }),
  '/ready': Type.Object({ ready: Type.Literal(true) }),
  '/me': Me,
  '/sessions': Type.Object({ sessions: Type.Array(SessionView) }),
  '/sessions/:id': SessionView,
  '/sessions/:id/files': FileList,
  '/sessions/:id/logs': Logs,
  '/sessions/:id/shares': Type.Object({ shares: Type.Array(ShareView) }),
  '/sessions/:id/valid': Validity,
  '/admin/audit': Type.Object({ leaked: Findings, missing: Findings }),
  '/admin/audit-log': AuditLog,
  '/admin/drain': DrainState,
  '/admin/keys': Type.Object({ keys: Type.Array(KeyView) }),
  '/admin/sessions': AdminSessions,
  '/admin/stats': Statistics
}

type Route = keyof typeof REPLIES
type Names<Path> = Path extends `${string}:${infer Name}/${infer Rest}` ? Name | Names<`/${Rest}`> : Path extends `${string}:${infer Name}` ? Name : never
type Query = Record<string, string | number | boolean>

FormatRegistry.Set('date-time', value => !Number.isNaN(Date.parse(value)))

/**
 * Reads what a route answers when all is well. `params` are those of its path; others are its query.
 * @throws unless the answer is 200 and what the schema says
 */
export async function read<Path extends Route> (server: Target, route: Path, ...[params]: Names<Path> extends never ? [Query?] : [Query & Record<Names<Path>, string>]): Promise<Static<typeof REPLIES[Path]>> {
  const rest = new Map(Object.entries<Query[string]>(params ?? {}))
  const path = route.replace(/:(\w+)/g, (_, name: string) => {
    const value = encodeURIComponent(String(rest.get(name)))
    rest.delete(name)
    return value
  })
  const query = new URLSearchParams(Object.fromEntries([...rest].map(([name, value]) => [name, String(value)])))
  const { status, body, text } = await ask(server, query.size > 0 ? `${path}?${query}` : path)
  if (status !== 200) throw new Error(`${path}: ${status} ${text}`)
  const error = Value.Errors(REPLIES[route], body).First()
  if (error) throw new Error(`${path} does not answer what its schema says: ${error.path} ${error.message}: ${text}`)
  return body
}
