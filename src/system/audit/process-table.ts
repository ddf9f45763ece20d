import { basename } from 'node:path'
import { entriesOf, mountPoints, targetOf, textOf } from './files.ts'
import { homesOf, isOurUid, ownerOfPath, type Place } from './place.ts'
import { parseStat, type ProcessId } from '../processes.ts'

/** A process of this instance. */
export interface OurProcess extends ProcessId {
  name: string
  isZombie: boolean
  /** A uid of the range, a session's id, or an account's name; undefined for a dead child of the server. */
  owner: string | number | undefined
  /** It is confined as ours, or runs a program that the server runs, and does not only name a session's folder. */
  isCertain: boolean
  /** The mount namespace in which a home is mounted, if it is in one. */
  namespace: string | undefined
}

/** How many processes are looked at side by side: each takes some descriptors. */
const AT_ONCE = 64
/** Programs that the server runs as root for sessions. */
const PROGRAMS = /^(s6-[a-z]+|unshare|nsenter)$/
const SCRIPT = /\/sandbox\/[a-z-]+\.sh$/

/** Returns a reader of the machine's processes; whoever asks while it reads shares the answer. */
export function processTable (place: Place): () => Promise<OurProcess[]> {
  let reading: Promise<OurProcess[]> | undefined
  return () => {
    reading ??= readTable(place).finally(() => { reading = undefined })
    return reading
  }
}

async function readTable (place: Place): Promise<OurProcess[]> {
  const pids = (await entriesOf('/proc')).filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
  const serverPid = place.serverPid()
  const namespaces = new Map([[await targetOf('/proc/self/ns/mnt'), Promise.resolve(undefined)]] as [string, Promise<string | undefined>][])
  const found: (OurProcess | undefined)[] = []
  while (pids.length > 0) found.push(...await Promise.all(pids.splice(0, AT_ONCE).map(pid => readProcess({ ...place, serverPid: () => serverPid }, pid, namespaces))))
  return found.filter(one => one !== undefined)
}

async function readProcess (place: Place, pid: string, namespaces: Map<string, Promise<string | undefined>>): Promise<OurProcess | undefined> {
  const [status = '', stat = ''] = await Promise.all(['status', 'stat'].map(file => textOf(`/proc/${pid}/${file}`)))
  if (!status || !stat) return undefined
  const { startTime, state } = parseStat(stat)
  const process = { pid: Number(pid), startTime, name: /^Name:\t(.*)$/m.exec(status)?.[1] ?? '', isZombie: state === 'Z' || state === 'X', isCertain: true, namespace: undefined }
  const uid = /^Uid:\t(.*)$/m.exec(status)?.[1]?.split('\t').map(Number).find(uid => isOurUid(place, uid))
  if (uid !== undefined) return { ...process, owner: uid }

  const group = new RegExp(`/${place.instance}/([^/\\n]+)`).exec(await textOf(`/proc/${pid}/cgroup`) ?? '')?.[1]
  if (process.isZombie) {
    const isServers = Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]) === place.serverPid()
    return isServers || group ? { ...process, owner: group } : undefined
  }
  const link = await targetOf(`/proc/${pid}/ns/mnt`)
  if (link && !namespaces.has(link)) namespaces.set(link, homeIn(place, pid))
  const home = link && await namespaces.get(link)
  const argv = (await textOf(`/proc/${pid}/cmdline`) ?? '').split('\0')
  const named = argv.map(word => ownerOfPath(place, word)).find(Boolean)
  const owner = group ?? home ?? named
  if (!owner) return undefined
  const isCertain = Boolean(group ?? home) || PROGRAMS.test(basename(argv[0] ?? '')) || argv.some(word => SCRIPT.test(word))
  return { ...process, owner, isCertain, namespace: home ? link : undefined }
}

/** The account whose home is mounted where the process is. */
async function homeIn (place: Place, pid: string): Promise<string | undefined> {
  const point = mountPoints(await textOf(`/proc/${pid}/mountinfo`) ?? '').find(point => point.startsWith(homesOf(place) + '/'))
  return point && ownerOfPath(place, point)
}
