import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Noun, Thing } from '../../domain/audit.ts'
import { run } from '../run.ts'
import { entriesOf, mountPoints, textOf } from './files.ts'
import { homesOf, ownerOfPath, type Place } from './place.ts'
import type { OurProcess } from './process-table.ts'

/**
 * What is mounted below the data folder, here and in the namespaces of other processes, where it keeps a home of an
 * ended session alive; and the loop devices of homes: one an image.
 */
export function mounts (place: Place, table: () => Promise<OurProcess[]>): Noun {
  return {
    noun: 'mounts',
    async observe () {
      const [here, elsewhere, loops] = await Promise.all([mountsHere(place), mountsElsewhere(table), loopDevices(place)])
      return [...here, ...elsewhere, ...loops]
    },
    async implied ({ account }) {
      const image = join(homesOf(place), `${account.name}.img`)
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

/** No repair: the processes that hold it are ended, and none of a live session's namespaces is entered to change it. */
async function mountsElsewhere (table: () => Promise<OurProcess[]>): Promise<Thing[]> {
  const found = new Map((await table()).filter(({ namespace }) => namespace).map(process => [process.namespace, process]))
  return [...found.values()].map(({ namespace, owner, pid }) => ({ kind: 'namespace', name: `${namespace} of ${pid} with the home of ${owner}`, owner }))
}

const loopOf = (image: string) => ({ kind: 'loop device', name: `of ${image}` })

async function loopDevices (place: Place): Promise<Thing[]> {
  const names = (await entriesOf('/sys/block')).filter(name => /^loop\d+$/.test(name))
  const backing = await Promise.all(names.map(async name => [name, (await textOf(`/sys/block/${name}/loop/backing_file`))?.trimEnd()] as const))
  const seen = new Set<string>()
  return backing.flatMap(([name, image]) => {
    const owner = image && ownerOfPath(place, image)
    if (!image || !owner) return []
    const isFirst = !seen.has(image)
    seen.add(image)
    return [{
      ...isFirst ? loopOf(image) : { kind: 'loop device', name: `${name}, a second one of ${image}` },
      owner: isFirst ? owner.replace(/\.img.*$/, '') : undefined,
      repair: async (signal: AbortSignal) => { await run(['losetup', '--detach', `/dev/${name}`], { signal }) }
    }]
  })
}

async function isThere (path: string): Promise<boolean> {
  return access(path).then(() => true, () => false) // root may look everywhere
}
