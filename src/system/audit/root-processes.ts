import { join } from 'node:path'
import type { Noun, Thing } from '../../domain/audit.ts'
import { readGroups } from '../sandbox.ts'
import { entriesOf, textOf } from './files.ts'
import { foldersOf, type Place } from './place.ts'

/** The file writer's way in. It comes and goes. */
const MAY_BE = { nsenter: 1 }

/**
 * What root runs in the sandboxes of sessions that are ready: what holds the sandbox, its init, and for each service a
 * supervisor, and a logger with its own. Of the session's user's processes nothing is implied: it ends and starts them as
 * it likes.
 */
export function rootProcesses (place: Place): Noun {
  return {
    noun: 'root processes',
    observe: async () => (await Promise.all(place.readyIds().map(id => observeIn(place, id)))).flat(),
    async implied ({ id }) {
      if (await groupOf(place, id) === undefined) return [] // nor can it be looked for
      return Object.entries(await countsOf(place, id)).flatMap(([name, count]) => Array.from({ length: count }, (_, i) => toFinding(id, name, i + 1)))
    }
  }
}

/** Those of a session; what is too many is nobody's. Only told of: it may be an operator's. */
async function observeIn (place: Place, id: string): Promise<Thing[]> {
  const group = await groupOf(place, id)
  if (group === undefined) return []
  const most: Record<string, number> = { ...await countsOf(place, id), ...MAY_BE }
  const seen: Record<string, number> = {}
  const things: Thing[] = []
  for (const pid of (await textOf(join(group, 'cgroup.procs')) ?? '').split('\n').filter(Boolean)) {
    const [, name, uid] = /^Name:\t([^\n]*)$.*^Uid:\t(\d+)/ms.exec(await textOf(`/proc/${pid}/status`) ?? '') ?? []
    if (name === undefined || uid !== '0') continue
    const number = seen[name] = (seen[name] ?? 0) + 1
    things.push({ ...toFinding(id, name, number), owner: number <= (most[name] ?? 0) ? id : undefined })
  }
  return things
}

/** How many there must be of each, by name. */
async function countsOf (place: Place, id: string): Promise<Record<string, number>> {
  const services = (await entriesOf(join(foldersOf(place), id, 'services'))).filter(name => !name.startsWith('.')).length
  return { unshare: 1, 's6-svscan': 1, 's6-supervise': 2 * services, 's6-log': services }
}

/** One of the session's groups: each process is in all of them. Undefined on a host that has none. */
async function groupOf (place: Place, id: string): Promise<string | undefined> {
  return (await readGroups(join(foldersOf(place), id)))[0]
}

function toFinding (id: string, name: string, number: number): { kind: string, name: string } {
  return { kind: 'process', name: `root's ${name} ${number} of ${id}` }
}
