import { readFileSync, readlinkSync, readdirSync } from 'node:fs'

/** A process of a session, as the host sees it. */
export interface Victim { pid: number, command: string, isRoot: boolean }

const proc = (pid: number | string, file: string) => { try { return readFileSync(`/proc/${pid}/${file}`, 'utf8') } catch { return '' } } // it ended

/** Every process of a session, root's own for it too; `groups` are its cgroups. */
export function processesIn (groups: string[]): Victim[] {
  return readFileSync(`${groups[0]}/cgroup.procs`, 'utf8').split('\n').filter(Boolean).map(Number).flatMap(pid => {
    const command = proc(pid, 'cmdline').split('\0').filter(Boolean).join(' ')
    const uid = /^Uid:\t(\d+)/m.exec(proc(pid, 'status'))?.[1]
    return uid === undefined || command === '' ? [] : [{ pid, command, isRoot: uid === '0' }]
  })
}

/** CPU that a process has had, in seconds, and its memory, in MiB. */
export function costOf (pid: number): { cpu: number, rss: number } {
  const fields = proc(pid, 'stat').split(') ')[1]!.split(' ')
  return { cpu: (Number(fields[11]) + Number(fields[12])) / 100, rss: Number(/^VmRSS:\s+(\d+)/m.exec(proc(pid, 'status'))?.[1]) / 1024 }
}

const KINDS = ['mnt', 'pid', 'ipc', 'uts', 'net', 'user', 'cgroup']

/** The namespaces that these processes are in and this one is not. */
export function namespacesOf (pids: number[]): Set<string> {
  const ours = new Set(KINDS.map(kind => readlinkSync(`/proc/self/ns/${kind}`)))
  return new Set(pids.flatMap(pid => KINDS.map(kind => link(`/proc/${pid}/ns/${kind}`))).filter(name => name !== '' && !ours.has(name)))
}

/**
 * The processes of the machine that are in one of the namespaces or hold it open by a descriptor, and the mounts that do.
 * Processes in the cgroup of another session do not count: the kernel gives the number of a namespace that is gone to the next one.
 */
export function holdersOf (namespaces: Set<string>, sessionId: string): string[] {
  const isOfAnother = (pid: string) => (/\/([0-9a-f]{32})(\/|$)/m.exec(proc(pid, 'cgroup'))?.[1] ?? sessionId) !== sessionId
  return readdirSync('/proc').filter(pid => /^\d+$/.test(pid) && !isOfAnother(pid)).flatMap(pid => {
    const paths = [...KINDS.map(kind => `/proc/${pid}/ns/${kind}`), ...list(`/proc/${pid}/fd`)]
    return paths.filter(path => namespaces.has(link(path)))
  }).concat(readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter(line => [...namespaces].some(name => line.includes(name))))
}

/** Processes of the uid that ended and that nobody has reaped, with their parent. */
export function zombiesOf (uid: number): string[] {
  return readdirSync('/proc').filter(pid => /^\d+$/.test(pid)).flatMap(pid => {
    const status = proc(pid, 'status')
    return status.includes(`\nUid:\t${uid}\t`) && /^State:\tZ/m.test(status) ? [`${pid} of ${/^PPid:\t(\d+)/m.exec(status)?.[1]}`] : []
  })
}

/** What the kernel keeps of the uid's keyrings. */
export function keyringsOf (uid: number): string[] {
  return readFileSync('/proc/key-users', 'utf8').split('\n').filter(line => line.trim().startsWith(`${uid}:`))
}

const link = (path: string) => { try { return readlinkSync(path) } catch { return '' } } // it ended
const list = (path: string) => { try { return readdirSync(path).map(name => `${path}/${name}`) } catch { return [] } } // likewise
