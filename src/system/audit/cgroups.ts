import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SERVER, type Noun, type Thing } from '#domain/machine/audit.ts'
import { killGroups, removeGroups } from '#system/sandbox/cgroups.ts'
import { ifGone } from '#system/kernel/gone.ts'
import { readGroups } from '#system/sandbox/sandbox.ts'
import { textOf } from './files.ts'
import type { Place } from './place.ts'

/**
 * The instance's own group in each hierarchy, wherever one of its servers has made one, and our sessions' groups in it. A
 * server in a container may have the same name: its sessions' groups are left out, because we do not know their ids.
 */
export function cgroups (place: Place): Noun {
  return {
    noun: 'cgroups',
    async observe () {
      const known = place.knownIds()
      const found = await Promise.all(hierarchies(await textOf('/proc/self/mountinfo') ?? '').map(path => groupsBelow(path, place.instance, known)))
      return found.flat()
    },
    implied: async ({ id }) => (await readGroups(place.folder.session(id))).map(name => ({ kind: 'cgroup', name }))
  }
}

/** The mount points of the hierarchies, each once: proc_pid_mountinfo(5). */
function hierarchies (mountinfo: string): string[] {
  const mounts = mountinfo.split('\n').filter(line => / - cgroup2? /.test(line)).map(line => line.split(' '))
  return [...new Map(mounts.map(([, , device, , path = '']) => [device, path])).values()]
}

async function groupsBelow (path: string, instance: string, known: Set<string>): Promise<Thing[]> {
  const found = await Promise.all((await folders(path)).map(async name => {
    const group = join(path, name)
    if (name !== instance) return groupsBelow(group, instance, known)
    const sessions = (await folders(group)).filter(id => known.has(id))
    return [...sessions.map(id => toThing(join(group, id), id)), { kind: 'cgroup', name: group, owner: SERVER }]
  }))
  return found.flat()
}

function toThing (path: string, id: string): Thing {
  const repair = async (signal: AbortSignal) => {
    await killGroups([path], signal)
    await removeGroups([path], signal)
  }
  return { kind: 'cgroup', name: path, owner: id, repair }
}

async function folders (path: string): Promise<string[]> {
  const found = await readdir(path, { withFileTypes: true }).catch(ifGone()) ?? []
  return found.filter(entry => entry.isDirectory()).map(entry => entry.name)
}
