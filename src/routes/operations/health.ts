import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { StoreState } from '#domain/storage/store-link.ts'
import { version } from '#version.ts'

const Health = Type.Object({
  status: Type.Literal('ok'),
  version: Type.String({ description: 'The version of the server' }),
  instance: Type.String({ description: 'The name of the server on its machine' }),
  sessions: Type.Integer({ description: 'Slots that are taken' }),
  waiting: Type.Integer({ description: 'Creations that wait for their turn' }),
  draining: Type.Boolean({ description: 'The server is being drained: it takes no new sessions' }),
  store: Type.Object({
    state: Type.Union([Type.Literal('here'), Type.Literal('away')], { title: 'StoreConnection', description: 'away: the store of EX10_STORE does not answer, or cannot be written. Sessions go on; nothing is created' }),
    since: Type.Optional(Type.String({ format: 'date-time', description: 'Since when it is away' })),
    waiting: Type.Integer({ description: 'Writes that are made when it is back' }),
    dropped: Type.Integer({ description: 'Writes that were dropped since the server\'s start, because too many waited' })
  }, { title: 'StoreState', description: 'The store of keys, logins, links, the audit log, statistics and records' }),
  isolation: Type.Object({
    firewall: Type.String({ description: 'nftables or iptables' }),
    namespaces: Type.Array(Type.String(), { description: 'The namespaces that each session has for itself' }),
    cgroup: Type.String({ description: 'v2, v1 or none' }),
    limits: Type.Array(Type.String(), { description: 'The resources that cgroups limit for each session: memory, pids, cpu' }),
    home: Type.String({ description: 'image: a file system with a size, EX10_HOME_SIZE; folder: homes share the data folder\'s disk; unknown: the disk was full at the start' }),
    landlock: Type.String({ description: 'bind: a session binds no TCP port but its own; bind+abstract: nor does it reach abstract sockets outside; none' }),
    seccomp: Type.String({ description: 'filter: system calls and socket families that no program of a session needs are refused; none' })
  }, { title: 'Isolation', description: 'The confinement of sessions on this host' }),
  encryption: Type.Object({
    key: Type.Union([Type.String(), Type.Null()], { description: 'The id of the newest key in EX10_KEY_FILE; null: nothing is encrypted' }),
    sealed: Type.Array(Type.String(), { description: 'What is encrypted on disk and in stores: records (state, preferences, indexes), blobs (versions of code, recovery points, archives), events (of live sessions), extension (its state in live sessions)' })
  }, { title: 'Encryption', description: 'The encryption of what outlives requests' })
}, { title: 'Health', description: 'The server is alive' })

const SEALED = ['records', 'blobs', 'events', 'extension']

/** GET /health: shows that the server answers, and the isolation that is in force. */
const health: FastifyPluginAsyncTypebox = async app => {
  app.get('/health', {
    config: { scope: 'everybody' },
    schema: { operationId: 'getHealth', summary: 'Whether the server is alive, and how it confines sessions', description: 'Always 200 while the server answers. Whether it can create sessions says `GET /ready`.', tags: ['operation'], response: { 200: Health } }
  }, async () => ({
    status: 'ok' as const,
    version,
    instance: app.config.instance,
    sessions: app.ports.count().taken,
    waiting: app.places.waiting.length,
    draining: app.drain.signal.aborted,
    store: viewStore(app.storeLink.state()),
    isolation: { firewall: app.firewall.backend, ...app.sandboxes.isolation },
    encryption: { key: app.sealer.masterKey() ?? null, sealed: app.sealer.masterKey() === undefined ? [] : SEALED }
  }))
}

function viewStore ({ awaySince, waiting, dropped }: StoreState) {
  return { state: awaySince ? 'away' as const : 'here' as const, ...(awaySince && { since: awaySince.toISOString() }), waiting, dropped }
}

export default health
