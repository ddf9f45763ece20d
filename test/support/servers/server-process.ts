import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { ifGone } from '#system/kernel/gone.ts'
import { debuggerOf, inspect } from './inspector.ts'
import type { Server } from './server.ts'

/** Longer than a connection is kept open between two requests. */
const REST_MS = 7000
const LISTENS = '0A'

/** What a server's process holds: of the kernel, and of Node. */
export interface Held {
  /** Open descriptors, by kind: `socket`, `pipe`, `anon_inode:[eventpoll]`, or the file's path. */
  descriptors: Record<string, number>
  threads: number
  children: number
  /** What the event loop waits for, by kind: timers, sockets, processes. */
  resources: Record<string, number>
}

/**
 * The server must have been started with INSPECTED. Connections of its clients, and of the debugger that asks it, are left
 * out: they are theirs to close.
 */
async function heldBy (server: Server): Promise<Held> {
  const { pid } = server.child
  const { result } = await inspect(server, 'Runtime.evaluate', { expression: 'process.getActiveResourcesInfo()', returnByValue: true })
  const { TCPSocketWrap, ...resources } = countBy(result.value) // connections: among the descriptors, where it can be told whose they are
  const tasks = readdirSync(`/proc/${pid}/task`)
  const theirs = new Set([...connectionsTo(server.url), ...connectionsTo(debuggerOf(server))]) // first: one that closes now is no descriptor then
  const descriptors = readdirSync(`/proc/${pid}/fd`).flatMap(fd => targetOf(`/proc/${pid}/fd/${fd}`)).filter(target => !theirs.has(target))
  return {
    descriptors: countBy(descriptors.map(target => target.replace(/:\[\d+\]$/, ''))),
    resources,
    threads: tasks.length,
    children: tasks.flatMap(task => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean)).length
  }
}

/** Nothing of a descriptor that is closed meanwhile. */
function targetOf (descriptor: string): string[] {
  try {
    return [readlinkSync(descriptor)]
  } catch (error) {
    return ifGone()(error) ?? []
  }
}

/** What it holds when nothing happens: connections that are kept open for a next request, and timers that look after requests, go within seconds. */
export async function heldAtRest (server: Server): Promise<Held> {
  let held = await heldBy(server)
  for (let round = 0; round < 5; round++) {
    await delay(REST_MS)
    const before = held
    held = await heldBy(server)
    if (isDeepStrictEqual(before, held)) break
  }
  return held
}

/** The connections to the address that some process holds open, in whatever state, as their descriptors' targets: proc_net_tcp(5). */
function connectionsTo (url: string): string[] {
  const port = Number(new URL(url).port).toString(16).toUpperCase().padStart(4, '0')
  return readFileSync('/proc/net/tcp', 'utf8').split('\n').map(line => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${port}`) && state !== LISTENS)
    .map(([, , , , , , , , , inode]) => `socket:[${inode}]`)
}

/** The server's memory after a collection of its garbage, in KiB. */
export async function memoryOf (server: Server): Promise<number> {
  await inspect(server, 'HeapProfiler.collectGarbage')
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))?.[1])
}

/** What the server keeps in its heap and its buffers after a collection of its garbage, in KiB: less of it is by chance than of all memory. */
export async function keptMemory (server: Server): Promise<number> {
  await inspect(server, 'HeapProfiler.collectGarbage')
  const { usedSize, backingStorageSize } = await inspect(server, 'Runtime.getHeapUsage')
  return Math.round((usedSize + backingStorageSize) / 1024)
}

/** What the server's process has computed so far, in seconds: without its children. */
export function cpuSeconds (server: Server): number {
  const fields = readFileSync(`/proc/${server.child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100 // ticks: USER_HZ
}

function countBy (kinds: string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const kind of kinds.sort()) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}
