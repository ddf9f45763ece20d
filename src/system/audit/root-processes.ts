import { join } from 'node:path'
import type { Noun, Thing } from '#domain/machine/audit.ts'
import { momentNow } from '#system/kernel/boot-time.ts'
import { parseStat } from '#system/kernel/processes.ts'
import { readGroups } from '#system/sandbox/sandbox.ts'
import { MOST_TRANSFERS } from '#system/code/transfer.ts'
import { entriesOf, ownerOf, textOf } from './files.ts'
import type { Place } from './place.ts'

/** The nsenter processes of the file writer and of the transfers. */
const MAY_BE = { nsenter: 1 + MOST_TRANSFERS }
/** A younger process may be about to become the session's user, or to end: several processes of root start a program. */
const YOUNG_S = 10
/** The unit of a start time, a second: proc_pid_stat(5). */
const TICKS = 100

/**
 * Root's processes in the sandboxes of ready sessions: the unshare that holds the sandbox, its init, and for each service a
 * supervisor, and a logger with its own supervisor. The user's processes are not compared: a session ends and starts them
 * at will.
 */
export function rootProcesses (place: Place): Noun {
  return {
    noun: 'root processes',
    observe: async () => (await Promise.all(place.readyIds().map(id => observeIn(place, id)))).flat(),
    async implied ({ id }) {
      if (await groupOf(place, id) === undefined) return [] // without a group, they cannot be found
      return Object.entries(await countsOf(place, id)).flatMap(([name, count]) => Array.from({ length: count }, (_, i) => toFinding(id, name, i + 1)))
    }
  }
}

/** Root's processes of one session. An extra one has no owner. It is only reported: it may be an operator's. */
async function observeIn (place: Place, id: string): Promise<Thing[]> {
  const group = await groupOf(place, id)
  if (group === undefined) return []
  const most: Record<string, number> = { ...await countsOf(place, id), ...MAY_BE }
  const seen: Record<string, number> = {}
  const things: Thing[] = []
  for (const pid of (await textOf(join(group, 'cgroup.procs')) ?? '').split('\n').filter(Boolean)) {
    const name = await nameOfRoots(pid)
    if (name === undefined) continue
    const number = seen[name] = (seen[name] ?? 0) + 1
    const isImplied = number <= (most[name] ?? 0)
    if (isImplied || !await isYoung(pid)) things.push({ ...toFinding(id, name, number), owner: isImplied ? id : undefined })
  }
  return things
}

/** The name of the process, if it is root's. */
async function nameOfRoots (pid: string): Promise<string | undefined> {
  if (await ownerOf(`/proc/${pid}`) !== 0) return undefined // most are not root's; the files of an undumpable process belong to root, and its status has the uid
  const [, name, uid] = /^Name:\t([^\n]*)$.*^Uid:\t(\d+)/ms.exec(await textOf(`/proc/${pid}/status`) ?? '') ?? []
  return uid === '0' ? name : undefined
}

async function isYoung (pid: string): Promise<boolean> {
  const stat = await textOf(`/proc/${pid}/stat`)
  return stat === undefined || momentNow().uptimeMs / 1000 - parseStat(stat).startTime / TICKS < YOUNG_S
}

/** The number of processes that there must be, by name. */
async function countsOf (place: Place, id: string): Promise<Record<string, number>> {
  const services = (await entriesOf(join(place.folder.session(id), 'services'))).filter(name => !name.startsWith('.')).length
  return { unshare: 1, 's6-svscan': 1, 's6-supervise': 2 * services, 's6-log': services }
}

/** One of the session's groups: each process is in all of them. Undefined on a host without cgroups. */
async function groupOf (place: Place, id: string): Promise<string | undefined> {
  return (await readGroups(place.folder.session(id)))[0]
}

function toFinding (id: string, name: string, number: number): { kind: string, name: string } {
  return { kind: 'process', name: `root's ${name} ${number} of ${id}` }
}
