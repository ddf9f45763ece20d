import { symlinkSync, writeFileSync } from 'node:fs'
import { Redis, type RedisOptions } from 'ioredis'
import type { Test } from 'tap'
import { freePort } from '#support/servers/free-port.ts'
import { eventually } from '#support/servers/server.ts'
import { newServer, ownFolder, type StoreServer } from './program.ts'

/** Debian's Redis without its service: the program becomes the server when it is called so. */
const PROGRAM = '/usr/bin/redis-check-rdb'

/** The hash slots of a cluster. */
const SLOTS = 16_384

/** A password that must be encoded in an address. */
export const PASSWORD = 'p@ss/word:%'

/** Starts an empty Redis, until the test ends. `settings` are those of redis.conf; with a certificate, it is reached by TLS. */
export async function startRedis (t: Test, settings: Record<string, string | number> = {}): Promise<StoreServer> {
  const folder = ownFolder(t, 'redis')
  const port = await freePort()
  const isByTls = 'tls-cert-file' in settings
  const all = { ...isByTls ? { port: 0, 'tls-port': port } : { port }, bind: '127.0.0.1', dir: folder, requirepass: PASSWORD, masterauth: PASSWORD, appendonly: 'yes', appendfsync: 'everysec', save: '""', ...settings }
  writeFileSync(`${folder}/redis.conf`, Object.entries(all).map(([name, value]) => `${name} ${value}\n`).join(''))
  symlinkSync(PROGRAM, `${folder}/redis-server`)
  return await newServer(t, {
    url: `${isByTls ? 'rediss' : 'redis'}://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`,
    argv: [`${folder}/redis-server`, `${folder}/redis.conf`],
    signal: 'SIGTERM',
    answers: () => asks({ port, ...isByTls && { tls: { rejectUnauthorized: false } } })
  })
}

async function asks (at: RedisOptions): Promise<boolean> {
  const client = new Redis({ ...at, password: PASSWORD, lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    client.disconnect()
  }
}

/** Starts a Redis Cluster of three masters, until the test ends. Resolves with the servers. */
export async function startCluster (t: Test): Promise<StoreServer[]> {
  const busPorts = [await freePort(), await freePort(), await freePort()]
  const servers = await Promise.all(busPorts.map(busPort => startRedis(t, { 'cluster-enabled': 'yes', 'cluster-port': busPort, 'cluster-node-timeout': 2000 })))
  const nodes = servers.map(({ url }) => new Redis(url))
  try {
    for (const [i, node] of nodes.entries()) {
      await node.call('CLUSTER', 'ADDSLOTSRANGE', Math.floor(i * SLOTS / 3), Math.floor((i + 1) * SLOTS / 3) - 1)
      await node.call('CLUSTER', 'MEET', '127.0.0.1', new URL(servers[0]!.url).port, busPorts[0]!)
    }
    const isWhole = async (node: Redis) => /cluster_state:ok[^]*cluster_known_nodes:3/.test(String(await node.call('CLUSTER', 'INFO')))
    await eventually('a cluster of three', async () => (await Promise.all(nodes.map(isWhole))).every(Boolean), 30_000)
  } finally {
    for (const node of nodes) node.disconnect()
  }
  return servers
}

let prefixes = 0

/** The address of a new, empty part of the Redis. */
export function newPrefix (url: string): string {
  return `${url}?prefix=p${++prefixes}`
}
