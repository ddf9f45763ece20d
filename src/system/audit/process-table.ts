import { basename, join } from 'node:path'
import { entriesOf, textOf } from './files.ts'
import { isOurUid, ownerOfPath, type Place } from './place.ts'
import { parseStat, type ProcessId } from '#system/kernel/processes.ts'
import { readGroups } from '#system/sandbox/sandbox.ts'

/** A process of this instance. */
export interface OurProcess extends ProcessId {
  name: string
  isZombie: boolean
  /** A uid of the range, a session's id, or an account's name; undefined for a dead child of the server. */
  owner: string | number | undefined
  /** True when the process is in one of our cgroups or is one of the server's programs; false when it only mentions a session's folder in its arguments. */
  isCertain: boolean
}

/** The number of processes that are read side by side: each takes some descriptors. */
const AT_ONCE = 64
/** Programs that the server runs as root for sessions. */
const PROGRAMS = /^(s6-[a-z]+|unshare|nsenter)$/
const SCRIPT = /\/sandbox\/[a-z-]+\.(sh|py)$/

/** The pids of all processes, without those in the group of a ready session: those are the session's own, and there may be hundreds of sessions. */
export async function pidsWithoutSession (place: Place): Promise<string[]> {
  const all = (await entriesOf('/proc')).filter(name => /^\d+$/.test(name))
  const lists = await Promise.all(place.readyIds().map(async id => {
    const [group] = await readGroups(place.folder.session(id)) // each process is in all of the session's groups
    return group === undefined ? '' : await textOf(join(group, 'cgroup.procs')) ?? ''
  }))
  const accountedFor = new Set(lists.flatMap(list => list.split('\n')))
  return all.filter(pid => !accountedFor.has(pid))
}

/** The processes of this instance outside ready sessions, zombies included. */
export async function readProcesses (place: Place): Promise<OurProcess[]> {
  const pids = (await pidsWithoutSession(place)).filter(pid => Number(pid) !== process.pid)
  const serverPid = place.serverPid()
  const known = place.knownIds()
  const inGroup = new RegExp(`/${place.instance}/([^/\\n]+)`)
  const found: (OurProcess | undefined)[] = []
  while (pids.length > 0) found.push(...await Promise.all(pids.splice(0, AT_ONCE).map(pid => readProcess(place, serverPid, known, inGroup, pid))))
  return found.filter(one => one !== undefined)
}

async function readProcess (place: Place, serverPid: number | undefined, known: Set<string>, inGroup: RegExp, pid: string): Promise<OurProcess | undefined> {
  const [status = '', stat = ''] = await Promise.all(['status', 'stat'].map(file => textOf(`/proc/${pid}/${file}`)))
  if (!status || !stat) return undefined
  const { startTime, state } = parseStat(stat)
  const process = { pid: Number(pid), startTime, name: /^Name:\t(.*)$/m.exec(status)?.[1] ?? '', isZombie: state === 'Z' || state === 'X', isCertain: true }
  const uid = /^Uid:\t(.*)$/m.exec(status)?.[1]?.split('\t').map(Number).find(uid => isOurUid(place, uid))
  if (uid !== undefined) return { ...process, owner: uid }

  const named = inGroup.exec(await textOf(`/proc/${pid}/cgroup`) ?? '')?.[1]
  const group = named && known.has(named) ? named : undefined // another server, in a container, may have our name
  if (process.isZombie) {
    const isServers = Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]) === serverPid
    return isServers || group ? { ...process, owner: group } : undefined
  }
  const argv = (await textOf(`/proc/${pid}/cmdline`) ?? '').split('\0')
  const owner = group ?? argv.map(word => ownerOfPath(place, word.replace(/^\w+=/, ''))).find(Boolean) // init.py gets dir=PATH
  if (!owner) return undefined
  const isCertain = Boolean(group) || PROGRAMS.test(basename(argv[0] ?? '')) || argv.some(word => SCRIPT.test(word))
  return { ...process, owner, isCertain }
}
