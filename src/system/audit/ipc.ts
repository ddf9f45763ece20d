import { fileURLToPath } from 'node:url'
import type { Noun, Thing } from '#domain/machine/audit.ts'
import { run } from '#system/kernel/run.ts'
import { sysvObjects } from '#system/kernel/sysv-ipc.ts'
import { textOf } from './files.ts'
import { isOurUid, type Place } from './place.ts'

const QUEUES = fileURLToPath(new URL('./queues.sh', import.meta.url))
const REMOVE = { shm: '--shmem-id', sem: '--semaphore-id', msg: '--queue-id' }

/** System V objects and message queues of the host. A session's own are in its sandbox's namespace, and end with it. */
export function ipc (place: Place): Noun {
  return {
    noun: 'ipc',
    observe: async () => (await Promise.all([systemV(place), messageQueues(place)])).flat()
  }
}

async function systemV (place: Place): Promise<Thing[]> {
  return (await sysvObjects()).flatMap(({ kind, id, uids }) => {
    const uid = uids.find(uid => isOurUid(place, uid))
    const repair = async (signal: AbortSignal) => { await run(['ipcrm', REMOVE[kind], String(id)], { signal }) }
    return uid === undefined ? [] : [{ kind: 'ipc', name: `${kind} ${id} of uid ${uid}`, owner: uid, repair }]
  })
}

async function messageQueues (place: Place): Promise<Thing[]> {
  if (!/\tmqueue$/m.test(await textOf('/proc/filesystems') ?? '')) return []
  const list = async (remove: string[] = [], signal?: AbortSignal) => await run(['unshare', '--mount', '--', 'sh', QUEUES, ...remove], signal ? { signal } : {})
  return (await list()).split('\0').filter(line => isOurUid(place, parseInt(line || '-1'))).map(line => {
    const name = line.slice(line.indexOf(' ') + 1)
    return { kind: 'ipc', name: `message queue ${name} of uid ${parseInt(line)}`, owner: parseInt(line), repair: async signal => { await list([name], signal) } }
  })
}
