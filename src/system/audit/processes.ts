import type { Noun, Thing } from '#domain/machine/audit.ts'
import { isAlive, kill, until } from '#system/kernel/processes.ts'
import { isSandboxAlive } from '#system/sandbox/sandbox.ts'
import type { Place } from './place.ts'
import { readProcesses, type OurProcess } from './process-table.ts'

/**
 * Processes of a uid of the range; processes of root that serve a session, because they are in its cgroup or name its
 * folder; and zombies. A session's home in a process's mount namespace proves nothing: a namespace that was made while the
 * home was mounted here has it, too.
 */
export function processes (place: Place): Noun {
  return {
    noun: 'processes',
    // root's processes first: a supervisor would restart a program that is killed before it
    observe: async () => (await readProcesses(place)).sort((a, b) => Number(typeof a.owner === 'number') - Number(typeof b.owner === 'number')).map(toThing),
    async implied ({ id }) {
      return await isSandboxAlive(place.folder.session(id)) ? [] : [{ kind: 'process', name: `init of ${id}` }]
    }
  }
}

function toThing (found: OurProcess): Thing {
  const { pid, name, owner, isZombie, isCertain } = found
  if (isZombie) return { kind: 'zombie', name: `${pid} ${name}`, owner }
  // a process that only names the folder may be an operator's: it is reported and left alone
  return { kind: 'process', name: `${pid} ${name} of ${owner}`, owner, repair: isCertain ? signal => end(found, signal) : undefined }
}

async function end (found: OurProcess, signal: AbortSignal): Promise<void> {
  await until(async () => {
    const isLeft = await isAlive(found)
    if (isLeft) kill(found.pid)
    return !isLeft
  }, signal)
}
