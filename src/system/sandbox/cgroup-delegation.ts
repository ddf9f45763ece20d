import { access, constants, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { textOf } from '#system/kernel/gone.ts'
import { until } from '#system/kernel/processes.ts'

/** Where processes go when there is no group but theirs, as in a container, which sees nothing above its own. All instances share it, and it stays. */
const LEAF = 'ex10-server'
const MOVE_MS = 5000

/** The group below which sessions' groups can be made, and which controllers it passes on. */
export interface Delegation { base: string, controllers: string[] }

/**
 * Has a v2 group around the server's own pass on the wanted controllers, or those of them that there are. Only the root of
 * the hierarchy, and a group without processes of its own, can (cgroups(7), "no internal processes"). The nearest that has
 * all is taken. The server's own is left as it is: no service manager could start a server there while sessions live.
 * Without any controller where the hierarchy has none of them, or is read-only.
 * @param top where the hierarchy is mounted
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

/** Has the groups below this one have the controllers. */
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

/** Only the root of the hierarchy has no type; that of a container has one. */
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

/** Returns whether there was none left to move: others are born meanwhile. */
async function moveAll (from: string, to: string): Promise<boolean> {
  const pids = await wordsOf(from, 'cgroup.procs')
  for (const pid of pids) {
    await writeFile(join(to, 'cgroup.procs'), pid).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ESRCH') throw error // else it ended meanwhile
    })
  }
  return pids.length === 0
}

async function wordsOf (group: string, file: string): Promise<string[]> {
  return (await readFile(join(group, file), 'utf8')).split(/\s+/).filter(Boolean)
}
