import { access, chmod, mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { delegate, passOn } from './cgroup-delegation.ts'
import { ifGone } from '#system/kernel/gone.ts'
import { kill, until } from '#system/kernel/processes.ts'

/** Limits of one session. */
export interface Limits { memoryMiB: number, pids: number, cpuCores: number }

/** This host's cgroups: the places for groups, and the limits that can be set. */
export interface CgroupHost {
  version: 'v2' | 'v1' | 'none'
  /** The controllers that limit sessions: some of memory, pids and cpu. */
  controllers: string[]
  /** The folders below which sessions' groups are made, one for each hierarchy. */
  parents: { path: string, controllers: string[], v2: boolean }[]
}

const WANTED = ['memory', 'pids', 'cpu']

/**
 * Detects this host's cgroups, and makes the instance's own group in each hierarchy: below the server's group, or near it (v2).
 * Prefers v2 with its controllers, else takes v1. A v2 hierarchy beside v1 is used for killing.
 */
export async function detectCgroups (instance: string): Promise<CgroupHost> {
  const mounts = parseMounts(await readFile('/proc/self/mountinfo', 'utf8'))
  const groups = parseOwnGroups(await readFile('/proc/self/cgroup', 'utf8'))
  const parents: CgroupHost['parents'] = []
  for (const mount of mounts) {
    const membership = mount.v2 ? groups.get('') : mount.controllers.map(controller => groups.get(controller)).find(path => path !== undefined)
    if (membership === undefined) continue
    const own = within(membership, mount.root)
    const { base, controllers } = mount.v2
      ? await delegate(mount.path, own, WANTED)
      : { base: join(mount.path, own), controllers: mount.controllers.filter(controller => WANTED.includes(controller)) }
    if (!mount.v2 && controllers.length === 0) continue
    const path = join(base, instance)
    if (!await makeGroup(path)) continue
    parents.push({ path, controllers, v2: mount.v2 })
    if (mount.v2 && controllers.length > 0) await passOn(path, controllers)
  }
  const controllers = [...new Set(parents.flatMap(parent => parent.controllers))].sort()
  const version = controllers.length === 0 ? 'none' : parents.some(parent => parent.v2 && parent.controllers.length > 0) ? 'v2' : 'v1'
  return { version, controllers, parents }
}

/** Makes the session's groups with their limits. */
export async function createGroups (host: CgroupHost, name: string, limits: Limits): Promise<void> {
  for (const { path, controllers, v2 } of host.parents) {
    await mkdir(join(path, name))
    for (const [file, value] of controllers.flatMap(controller => limitFiles(controller, v2, limits))) await writeFile(join(path, name, file), value)
    for (const [file, value] of controllers.includes('memory') ? swapFiles(v2, limits) : []) {
      await writeFile(join(path, name, file), value, { flag: 'r+' }).catch(ifGone()) // a kernel without swap accounting lacks the swap file
    }
  }
}

/** The folders of a session's groups, made or not. */
export function sessionGroups (host: CgroupHost, name: string): string[] {
  return host.parents.map(parent => join(parent.path, name))
}

/** Kills every process of the groups: by the kernel at once where it can (v2), else one by one until no process is left. */
export async function killGroups (groups: string[], signal: AbortSignal): Promise<void> {
  for (const group of groups) {
    await writeFile(join(group, 'cgroup.kill'), '1', { flag: 'r+' }).catch(ifGone()) // v1 has no such file
    await until(async () => {
      const pids = await pidsIn(group)
      for (const pid of pids) kill(pid)
      return pids.length === 0
    }, signal)
  }
}

/** Continues every stopped process of the groups. */
export async function continueGroups (groups: string[]): Promise<void> {
  const [group] = groups // each process is in all of them
  if (group === undefined) return
  for (const pid of await pidsIn(group)) kill(pid, 'SIGCONT')
}

/** Removes groups without processes. Ignores missing ones. Rejects when one is still in use at the time of the signal. */
export async function removeGroups (groups: string[], signal: AbortSignal): Promise<void> {
  for (const group of groups) {
    await until(async () => {
      try {
        await rmdir(group).catch(ifGone())
        return true
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EBUSY') return false // its last process is being reaped
        throw error
      }
    }, signal).catch(cause => { throw signal.aborted ? new Error(`the cgroup ${group} still has processes or groups in it`, { cause }) : cause })
  }
}

/** Removes the instance's own groups, when the server closes. */
export async function removeParents (host: CgroupHost, signal: AbortSignal): Promise<void> {
  await removeGroups(host.parents.map(parent => parent.path), signal)
}

async function pidsIn (group: string): Promise<number[]> {
  const text = await readFile(join(group, 'cgroup.procs'), 'utf8').catch(ifGone()) ?? ''
  return text.split('\n').filter(Boolean).map(Number)
}

/**
 * At its memory limit, a session loses one process, the one with the most memory, and not all (memory.oom.group). That is
 * the tab or build that took the memory; if it was a program of s6's, s6 restarts it. CPU weights stay at their default,
 * which is equal for all sessions.
 */
function limitFiles (controller: string, v2: boolean, limits: Limits): [string, string][] {
  const bytes = String(limits.memoryMiB * 1024 * 1024)
  const quota = String(Math.round(limits.cpuCores * 100_000))
  if (controller === 'pids') return [['pids.max', String(limits.pids)]]
  if (controller === 'memory') return v2 ? [['memory.max', bytes]] : [['memory.limit_in_bytes', bytes]]
  return v2 ? [['cpu.max', `${quota} 100000`]] : [['cpu.cfs_period_us', '100000'], ['cpu.cfs_quota_us', quota]]
}

/** Limits memory and swap together to the memory limit. Otherwise a session could swap, at the cost of the others' disk. */
function swapFiles (v2: boolean, limits: Limits): [string, string][] {
  return v2 ? [['memory.swap.max', '0']] : [['memory.memsw.limit_in_bytes', String(limits.memoryMiB * 1024 * 1024)]]
}

interface Mount { path: string, root: string, controllers: string[], v2: boolean }

/** The cgroup hierarchies of proc_pid_mountinfo(5), "… device root path options - type source superoptions", each one once. */
function parseMounts (mountinfo: string): Mount[] {
  const mounts = new Map<string, Mount>()
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    const [, , device = '', root = '', path = ''] = before.split(' ')
    const [type, , options = ''] = after.split(' ')
    if ((type !== 'cgroup' && type !== 'cgroup2') || mounts.has(device)) continue
    mounts.set(device, { path, root, controllers: options.split(','), v2: type === 'cgroup2' })
  }
  return [...mounts.values()]
}

/** /proc/self/cgroup: controller -> path; the empty name is v2's. */
function parseOwnGroups (text: string): Map<string, string> {
  return new Map(text.split('\n').filter(Boolean).flatMap(line => {
    const [, controllers = '', ...path] = line.split(':')
    return controllers.split(',').map(controller => [controller, path.join(':')] as const)
  }))
}

/** `path` relative to a mount whose root is `root`: in a container the two share a prefix. */
function within (path: string, root: string): string {
  return root !== '/' && path.startsWith(root) ? path.slice(root.length) : path
}

/** Makes a group if it is missing. Returns false when the hierarchy is read-only, or the group around it is not to be seen here. */
async function makeGroup (path: string): Promise<boolean> {
  try {
    // not recursive: on a read-only file system that fails with ENOENT
    await mkdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
    await chmod(path, 0o711) // not listable: the names of the groups in it are ids of sessions
    await access(join(path, 'cgroup.procs'))
    return true
  } catch (error) {
    if (['EROFS', 'EACCES', 'EPERM', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false // GET /health shows it
    throw error
  }
}
