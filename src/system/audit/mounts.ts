import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Noun, Thing } from '#domain/machine/audit.ts'
import { run } from '#system/kernel/run.ts'
import { loopDevices } from '#system/kernel/loop-devices.ts'
import { readInit } from '#system/sandbox/sandbox.ts'
import { mountPoints, targetOf, textOf } from './files.ts'
import { pidsWithoutSession } from './process-table.ts'
import { ownerOfPath, type Place } from './place.ts'

/**
 * What is mounted below the data folder, here and in the namespaces of other processes, where it keeps a home of an
 * ended session alive; and the loop devices of homes: one an image.
 */
export function mounts (place: Place): Noun {
  return {
    noun: 'mounts',
    async observe () {
      const [here, elsewhere, loops] = await Promise.all([mountsHere(place), mountsElsewhere(place), loopsOfHomes(place)])
      return [...here, ...elsewhere, ...loops]
    },
    async implied ({ account }) {
      const image = join(place.folder.homes, `${account.name}.img`)
      return await isThere(image) ? [loopOf(image)] : []
    }
  }
}

async function mountsHere (place: Place): Promise<Thing[]> {
  const points = mountPoints(await textOf('/proc/self/mountinfo') ?? '')
  // what was mounted last lies on top, and goes first
  return points.filter(point => ownerOfPath(place, point)).reverse().map(point => ({
    kind: 'mount',
    name: point,
    owner: ownerOfPath(place, point),
    repair: async signal => { await run(['umount', '--', point], { signal }) }
  }))
}

/** One process of each mount namespace but this one; where root may not look, there is an init above it. Of a live session's, that is its init's. */
async function namespaces (place: Place): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const inits = await Promise.all(place.readyIds().map(id => readInit(place.folder.session(id))))
  for (const pid of [...inits.flatMap(init => init ? String(init.pid) : []), ...await pidsWithoutSession(place)]) {
    const namespace = await targetOf(`/proc/${pid}/ns/mnt`)
    if (namespace) found.set(namespace, pid)
  }
  found.delete(await targetOf('/proc/self/ns/mnt') ?? '')
  return found
}

/**
 * No repair: it goes with the processes in it, or with the folder that it is mounted on. They may be another session's, made while the home was mounted here; its
 * namespace is not entered to change it, because what stands there is not the host's.
 */
async function mountsElsewhere (place: Place): Promise<Thing[]> {
  const found = await Promise.all([...await namespaces(place)].map(async ([namespace, pid]) => {
    const points = mountPoints(await textOf(`/proc/${pid}/mountinfo`) ?? '').filter(point => point.startsWith(place.folder.homes + '/'))
    return [...new Set(points.map(point => ownerOfPath(place, point)))].map(owner => ({ kind: 'namespace', name: `${namespace} with the home of ${owner}`, owner }))
  }))
  return found.flat()
}

const loopOf = (image: string) => ({ kind: 'loop device', name: `of ${image}` })

async function loopsOfHomes (place: Place): Promise<Thing[]> {
  const seen = new Set<string>()
  return (await loopDevices()).flatMap(({ device, file: image }) => {
    const owner = ownerOfPath(place, image)
    if (!owner) return []
    const isFirst = !seen.has(image)
    seen.add(image)
    return [{
      ...isFirst ? loopOf(image) : { kind: 'loop device', name: `${device}, a second one of ${image}` },
      owner: isFirst ? owner.replace(/\.img.*$/, '') : undefined,
      repair: async (signal: AbortSignal) => { await run(['losetup', '--detach', device], { signal }) }
    }]
  })
}

async function isThere (path: string): Promise<boolean> {
  return access(path).then(() => true, () => false) // root may look everywhere
}
