import { access, constants, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { textOf } from '#system/kernel/gone.ts'
import { until } from '#system/kernel/processes.ts'

/** The group to which processes move when no group above theirs is visible, as in a container. All instances share it, and it is never removed. */
const LEAF = 'ex10-server'
const MOVE_MS = 5000

/** The group below which sessions' groups can be made, and the controllers that it passes on. */
export interface Delegation { base: string, controllers: string[] }

/**
 * Makes a v2 group above the server's own group pass on those of the wanted controllers that exist. Only the root of the
 * hierarchy, and groups without processes of their own, can do so (cgroups(7), "no internal processes"). The nearest group
 * with all controllers is taken. The server's own group stays as it is: otherwise no service manager could start a server
 * there while sessions live. Returns no controllers when the hierarchy has none of them or is read-only.
 * @param top the mount point of the hierarchy
 * @param membership the server's group below it
 */
export async function delegate (top: string, membership: string, wanted: string[]): Promise<Delegation> {
  const free = await freeGroups(top, membership)
  const possible = await Promise.all((free.length > 0 ? free : [top]).map(async base => {
    const controllers = await wordsOf(base, 'cgroup.controllers')
    return { base, controllers: wanted.filter(controller => controllers.includes(controller)) }
  }))
  const found = possible.find(({ controllers }) => controllers.length === wanted.length) ?? possible.at(-1)!
  if (found.controllers.length === 0 || !await isWritable(found.base)) return { base: resolve(top, `.${membership}`), controllers: [] }
  if (free.length === 0) {
    await mkdir(join(top, LEAF), { recursive: true })
    await until(() => moveAll(top, join(top, LEAF)), AbortSignal.timeout(MOVE_MS))
  }
  await passOn(found.base, found.controllers)
  return found
}

/** Passes the controllers on to the groups below this one. */
export async function passOn (group: string, controllers: string[]): Promise<void> {
  await writeFile(join(group, 'cgroup.subtree_control'), controllers.map(controller => `+${controller}`).join(' '))
}

/** The groups from `membership` up to the top that can pass controllers on, the nearest first. */
async function freeGroups (top: string, membership: string): Promise<string[]> {
  const free: string[] = []
  for (let group = resolve(top, `.${membership}`); group.startsWith(top); group = dirname(group)) {
    if (await isRoot(group) || (await wordsOf(group, 'cgroup.procs')).length === 0) free.push(group)
  }
  return free
}

/** Whether the group is the root of the hierarchy, which alone has no type. A container's top group has one. */
async function isRoot (group: string): Promise<boolean> {
  return await textOf(join(group, 'cgroup.type')) === undefined
}

async function isWritable (group: string): Promise<boolean> {
  try {
    await access(join(group, 'cgroup.subtree_control'), constants.W_OK)
    return true
  } catch (error) {
    if (['EROFS', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

/** Moves all processes. Returns whether there were none to move: new ones may start meanwhile. */
async function moveAll (from: string, to: string): Promise<boolean> {
  const pids = await wordsOf(from, 'cgroup.procs')
  for (const pid of pids) {
    await writeFile(join(to, 'cgroup.procs'), pid).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ESRCH') throw error // ESRCH: the process has ended meanwhile
    })
  }
  return pids.length === 0
}

async function wordsOf (group: string, file: string): Promise<string[]> {
  return (await readFile(join(group, file), 'utf8')).split(/\s+/).filter(Boolean)
}
