import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { newQueue } from '#domain/concurrency/queue.ts'
import type { Homes } from '#domain/sessions/capabilities.ts'
import { failure } from '#errors.ts'
import { createHomeFolder, createHomeImage, measureImages, removeHome, whyNoImages } from '#system/accounts/homes.ts'

declare module 'fastify' {
  interface FastifyInstance {
    homes: Homes & {
      /** What homes are here: images have a size, folders share the disk. */
      kind: 'image' | 'folder'
      /**
       * Refuses a session whose home the disk could not hold, filled, beside all that were promised before. The caller
       * takes its slot at once: slots that are taken are what was promised.
       * @throws {Ex10Error} EX10_NO_DISK
       */
      admit (): Promise<void>
    }
  }
}

const MIB = 1024 * 1024
/** What a session's logs and events take of the disk at most, and its image beside what it holds. */
const BESIDE_HOME_MIB = 32
/** What a session takes of the disk's files: its image, services and logs. */
const FILES_EACH = 256
const PROBE_MS = 20_000

async function homes (app: FastifyInstance): Promise<void> {
  const { instance, homeSize } = app.config
  const { homes: folder } = app.instance.folder
  const inTurn = newQueue()
  const why = await whyNoImages(folder, instance, AbortSignal.timeout(PROBE_MS))
  if (why !== undefined) app.log.warn({ plugin: 'homes', why }, 'home size limit unavailable')

  app.decorate('homes', {
    kind: why === undefined ? 'image' : 'folder',
    admit: () => inTurn(admit),
    create: (account, signal) => why === undefined ? createHomeImage(account, homeSize, signal) : createHomeFolder(account),
    remove: removeHome
  } satisfies FastifyInstance['homes'])

  async function admit (): Promise<void> {
    if (why !== undefined) return
    const before = app.ports.count().taken
    const { count, growthBytes, freeBytes, freeFiles } = await measureImages(folder)
    const unmade = Math.max(0, Math.max(before, app.ports.count().taken) - count)
    const promised = growthBytes + unmade * homeSize * MIB + app.ports.count().taken * BESIDE_HOME_MIB * MIB
    if (freeBytes < promised + (homeSize + BESIDE_HOME_MIB) * MIB || freeFiles < (unmade + 1) * FILES_EACH) throw failure('NO_DISK')
  }
}

export default fp(homes, { name: 'homes', dependencies: ['config', 'instance', 'ports'] })
