import { access } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Noun, Thing } from '#domain/machine/audit.ts'
import { run } from '#system/kernel/run.ts'
import { loopDevices } from '#system/kernel/loop-devices.ts'
import { readInit } from '#system/sandbox/sandbox.ts'
import { mountPoints, targetOf, textOf } from './files.ts'
import { pidsWithoutSession } from './process-table.ts'
import { ACCOUNT_NAME, IMAGE_SUFFIX, ownerOfPath, type Place } from './place.ts'

/**
 * The mounts below the data folder, here and in the namespaces of other processes, where they keep the home of an ended
 * session alive; and the loop devices of homes: one an image.
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
  // the last mount lies on top, and is removed first
  return points.filter(point => ownerOfPath(place, point)).reverse().map(point => ({
    kind: 'mount',
    name: point,
    owner: ownerOfPath(place, point),
    repair: async signal => { await run(['umount', '--', point], { signal }) }
  }))
}

/** One process of each other mount namespace. For a live session's, it is the sandbox's init. Where root may not read a process's namespace, an init above it has the same. */
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
 * Without a repair: such a mount ends with the processes in its namespace, or with the folder that it is mounted on. The
 * namespace may be another session's, made while the home was mounted here. Root does not enter it, because the session
 * controls the files there.
 */
async function mountsElsewhere (place: Place): Promise<Thing[]> {
  const found = await Promise.all([...await namespaces(place)].map(async ([namespace, pid]) => {
    const points = mountPoints(await textOf(`/proc/${pid}/mountinfo`) ?? '').filter(point => point.startsWith(place.folder.homes + '/'))
    return [...new Set(points.map(point => ownerOfPath(place, point)))].map(owner => ({ kind: 'namespace', name: `${namespace} with the home of ${owner}`, owner }))
  }))
  return found.flat()
}

const loopOf = (image: string) => ({ kind: 'loop device', name: `of ${image}` })

/**
 * The kernel gives the path of a device's file as the sandbox has it, which may be another than here, and that of a server in
 * another container may be the same. So only the image's name counts, which holds the account's: it is in this data folder, or
 * the account is recorded.
 */
async function loopsOfHomes (place: Place): Promise<Thing[]> {
  const seen = new Set<string>()
  const devices = (await loopDevices()).map(({ device, file }) => ({ device, owner: basename(file).replace(IMAGE_SUFFIX, ''), image: join(place.folder.homes, basename(file)) }))
  const isOurs = await Promise.all(devices.map(async ({ owner, image }) => ACCOUNT_NAME.test(owner) && (place.recordedAccounts().has(owner) || await isThere(image))))
  return devices.filter((_, index) => isOurs[index]).map(({ device, owner, image }) => {
    const isFirst = !seen.has(image)
    seen.add(image)
    return {
      ...isFirst ? loopOf(image) : { kind: 'loop device', name: `${device}, a second one of ${image}` },
      owner: isFirst ? owner : undefined,
      repair: async (signal: AbortSignal) => { await run(['losetup', '--detach', device], { signal }) }
    }
  })
}

async function isThere (path: string): Promise<boolean> {
  return access(path).then(() => true, () => false) // any error means "missing": root may read everything here
}
