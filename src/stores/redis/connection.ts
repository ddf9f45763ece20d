import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { StartRefused } from '#errors.ts'
import { shownUrl, textOf, unavailable } from '#stores/unavailable.ts'

/** The address of a Redis (redis://user@host:6379/0, rediss:// with TLS), or of a node of a cluster, with the password if it is not in the address. */
export interface RedisAddress { url: string, password?: string | undefined }

/** A connection to a Redis, or to all nodes of a cluster. */
export interface Connection {
  client: Redis | Cluster
  /** The connections to the nodes that keys can be looked for at. */
  masters (): Redis[]
  /** Waits for the answer to a command. @throws {Ex10Error} EX10_STORE_UNAVAILABLE */
  ask<Answer> (answer: Promise<Answer>): Promise<Answer>
  close (): Promise<void>
}

const CONNECT_MS = 5000
const COMMAND_MS = 10_000
const LONGEST_PAUSE_MS = 1000
const KEEP_ALIVE_MS = 10_000
const CLOSE_MS = 2000

const pauseMs = (times: number) => Math.min(50 * 2 ** times, LONGEST_PAUSE_MS)

/**
 * Connects to the Redis at this address. When it is a node of a cluster, connects to the cluster.
 * @throws {StartRefused} when it cannot be reached, or would throw records away
 */
export async function connect (address: RedisAddress): Promise<Connection> {
  const shown = shownUrl(address.url)
  const options = optionsOf(address)
  const single = new Redis({ ...options, retryStrategy: () => null })
  const why = reasonsOf(single)
  try {
    await single.connect()
    if (await check(single, shown)) return connectionTo(await clusterAt(options))
  } catch (error) {
    if (error instanceof StartRefused) throw error
    throw new StartRefused(`EX10_STORE=${shown} cannot be used: ${textOf(why() ?? error)}`)
  } finally {
    single.disconnect()
  }
  const client = new Redis({ ...options, retryStrategy: pauseMs })
  client.on('error', () => {}) // each command has its own
  try {
    await client.connect()
  } catch (error) {
    client.disconnect()
    throw new StartRefused(`EX10_STORE=${shown} cannot be used: ${textOf(error)}`)
  }
  return connectionTo(client)
}

function connectionTo (client: Redis | Cluster): Connection {
  return {
    client,
    masters: () => client instanceof Cluster ? client.nodes('master') : [client],
    async ask (answer) {
      try {
        return await answer
      } catch (error) {
        throw isAway(error as Error) ? unavailable(error) : new Error(textOf(error))
      }
    },
    async close () {
      const timer = setTimeout(() => client.disconnect(), CLOSE_MS)
      await client.quit().catch(() => client.disconnect())
      clearTimeout(timer)
    }
  }
}

function optionsOf ({ url, password }: RedisAddress): RedisOptions {
  const { protocol, hostname, port, username, password: own, pathname } = new URL(url)
  const secret = password ?? decodeURIComponent(own)
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || 6379),
    db: Number(pathname.slice(1) || 0),
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(secret !== '' && { password: secret }),
    ...(protocol === 'rediss:' && { tls: {} }),
    protocol: 2, // as Redis 5 knows it, too
    lazyConnect: true,
    connectionName: 'ex10',
    connectTimeout: CONNECT_MS,
    commandTimeout: COMMAND_MS,
    keepAlive: KEEP_ALIVE_MS,
    autoResendUnfulfilledCommands: false, // a write whose answer was lost may have been made
    maxRetriesPerRequest: 0, // so that it fails as soon as the connection breaks
    reconnectOnError: ({ message }) => message.startsWith('READONLY') ? 2 : false // after a failover, to the new master
  }
}

async function clusterAt ({ host, port, db: _, ...redisOptions }: RedisOptions): Promise<Cluster> {
  const cluster = new Cluster([{ host: host!, port: port! }], {
    redisOptions,
    lazyConnect: true,
    slotsRefreshTimeout: CONNECT_MS,
    clusterRetryStrategy: pauseMs,
    retryDelayOnFailover: 0, // as autoResendUnfulfilledCommands
    ...(redisOptions.tls && { dnsLookup: (name, found) => found(null, name) }) // the names are those of the certificates
  })
  cluster.on('error', () => {})
  try {
    await cluster.connect()
    return cluster
  } catch (error) {
    cluster.disconnect()
    throw error
  }
}

/** The last error of a connection: it says more than that of a command. */
function reasonsOf (client: Redis): () => Error | undefined {
  let last: Error | undefined
  client.on('error', error => { last = error })
  return () => last
}

/** Resolves with whether it is a node of a cluster. @throws {StartRefused} when it throws records away that have not ended */
async function check (client: Redis, shown: string): Promise<boolean> {
  const told = await client.info().catch(error => {
    if (error.message.startsWith('NOPERM')) return '' // the user may not ask: the operator knows
    throw error
  })
  const about = new Map(told.split('\r\n').map(line => line.split(':') as [string, string]))
  const policy = about.get('maxmemory_policy') ?? 'noeviction'
  if (policy !== 'noeviction' && about.get('maxmemory') !== '0') {
    throw new StartRefused(`EX10_STORE=${shown} cannot be used: with maxmemory-policy ${policy}, this Redis deletes records when its memory is full; give it maxmemory-policy noeviction`)
  }
  return about.get('cluster_enabled') === '1'
}

/** Answers of a server that cannot do its work now. All other answers are errors of a command. */
const AWAY = /^(LOADING|BUSY|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|MISCONF|NOREPLICAS|OOM|NOAUTH|WRONGPASS|NOPERM|ERR max number of clients)/

function isAway ({ name, message }: Error): boolean {
  return name !== 'ReplyError' || AWAY.test(message)
}
