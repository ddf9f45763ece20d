import type { Cluster, Redis } from 'ioredis'
import type { RecordChange, RecordStore, StoredRecord } from '#domain/storage/record-store.ts'
import { ordered } from '#stores/ordered.ts'
import type { Connection } from './connection.ts'
import { COUNT, DROP, LIST, WRITE } from './scripts.ts'

/** The commands that the scripts become. */
interface Commands {
  ex10Write (numberOfKeys: number, ...words: (string | Buffer)[]): Promise<number>
  ex10ListBuffer (...words: string[]): Promise<[more: number, ...keysAndRecords: Buffer[]]>
  ex10Drop (...words: string[]): Promise<null>
  ex10Count (...words: string[]): Promise<number>
}

/** The greatest code point: it is behind every key with the prefix, since no key has a control character. */
const END = '\u{10FFFF}'
/** The most records and bytes of one answer. */
const [PAGE, PAGE_BYTES] = [1000, 4 * 1024 * 1024]
const LINE_END = '\n'.charCodeAt(0)

/**
 * Keeps records in Redis. The keys of a partition begin with the prefix and its hash tag: `ex10:{state/ID}:…`. Redis's clock says
 * when a record ends.
 */
export function recordsIn ({ client, masters, ask }: Omit<Connection, 'close'>, prefix: string): Omit<RecordStore, 'close'> {
  const commands = withCommands(client)
  const keysOf = (partition: string) => {
    const own = `${prefix}:{${escaped(partition)}}:`
    return { index: `${own}i`, ends: `${own}e`, record: `${own}r:` }
  }

  async function write (partition: string, changes: RecordChange[]): Promise<boolean> {
    const { index, ends, record } = keysOf(partition)
    const words = changes.flatMap(({ key, value, ifRevision, expiresAt }) =>
      [key, ifRevision === undefined ? '' : String(ifRevision), expiresAt ? String(expiresAt.getTime() - 1) : '', value ? '1' : '0', value ?? ''])
    return await ask(commands.ex10Write(changes.length + 2, index, ends, ...changes.map(({ key }) => record + key), ...words)) === 1
  }

  async function partitionsAt (node: Redis, beginning: string): Promise<string[]> {
    const start = `${prefix}:{`
    const found = []
    for (let cursor = '0'; ;) {
      const [next, keys] = await ask(node.scan(cursor, 'MATCH', `${escapedGlob(start + escaped(beginning))}*}:i`, 'COUNT', 1000))
      found.push(...keys.map(key => decodeURIComponent(key.slice(start.length, -'}:i'.length))))
      if (next === '0') return found
      cursor = next
    }
  }

  return ordered({
    async get (partition, key) {
      const record = await ask(client.getBuffer(keysOf(partition).record + key))
      return record ? toRecord(key, record) : undefined
    },
    async list (partition, { prefix = '', after, limit = Infinity, newestFirst = false } = {}) {
      const { index, ends, record } = keysOf(partition)
      const listed: StoredRecord[] = []
      for (let from = after, more = 1; more === 1 && listed.length < limit; from = listed.at(-1)?.key) {
        const [first, last] = boundsOf(prefix, from, newestFirst)
        const most = Math.min(PAGE, limit - listed.length)
        const [isMore, ...found] = await ask(commands.ex10ListBuffer(index, ends, record, first, last, newestFirst ? 'down' : 'up', String(most), String(PAGE_BYTES)))
        for (let at = 0; at < found.length; at += 2) listed.push(toRecord(found[at]!.toString(), found[at + 1]!))
        more = found.length > 0 ? isMore : 0
      }
      return listed
    },
    write,
    async writeEach (changes) {
      await Promise.all([...changes].map(([partition, its]) => write(partition, its)))
    },
    async drop (partition) {
      const { index, ends, record } = keysOf(partition)
      await ask(commands.ex10Drop(index, ends, record))
    },
    async partitions (beginning) {
      const found = new Set((await Promise.all(masters().map(node => partitionsAt(node, beginning)))).flat())
      const counted = await Promise.all([...found].map(async partition => {
        const { index, ends } = keysOf(partition)
        return [partition, await ask(commands.ex10Count(index, ends))] as const
      }))
      return counted.filter(([, count]) => count > 0).map(([partition]) => partition).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    },
    async prune () {}, // Redis deletes what has ended
    async close () {}
  })
}

function withCommands (client: Redis | Cluster): Commands {
  client.defineCommand('ex10Write', { lua: WRITE })
  client.defineCommand('ex10List', { lua: LIST, numberOfKeys: 3 })
  client.defineCommand('ex10Drop', { lua: DROP, numberOfKeys: 3 })
  client.defineCommand('ex10Count', { lua: COUNT, numberOfKeys: 2 })
  return client as unknown as Commands
}

/** The bounds of a range of keys, in the words of ZRANGEBYLEX: where to begin first. */
function boundsOf (prefix: string, after: string | undefined, newestFirst: boolean): [string, string] {
  const isBehind = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b)) >= 0
  const low = prefix === '' ? '-' : `[${prefix}`
  const high = prefix === '' ? '+' : `(${prefix}${END}`
  if (newestFirst) return [after === undefined || (prefix !== '' && isBehind(after, prefix + END)) ? high : `(${after}`, low]
  return [after === undefined || !isBehind(after, prefix) ? low : `(${after}`, high]
}

/** The partition in a hash tag, which ends at the first closing brace. */
function escaped (partition: string): string {
  return partition.replace(/[%{}]/g, encodeURIComponent)
}

function escapedGlob (text: string): string {
  return text.replace(/[\\*?[\]^]/g, '\\$&')
}

function toRecord (key: string, record: Buffer): StoredRecord {
  const end = record.indexOf(LINE_END)
  return { key, value: record.subarray(end + 1), revision: Number(record.subarray(0, end).toString()) }
}
