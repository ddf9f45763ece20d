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
       * Promises the session a home.
       * @throws {Ex10Error} EX10_NO_DISK when the disk could not hold it, filled, beside all that were promised before
       */
      promise (sessionId: string): Promise<void>
      /** The session of an earlier server has a home. */
      hold (sessionId: string): void
      /** The session's home is gone, or is not made any more. */
      release (sessionId: string): void
      /**
       * Looks whether another home could be promised; `instead`, whether it could be in the place of one that was.
       * @throws {Ex10Error} EX10_NO_DISK
       */
      look (instead?: boolean): Promise<void>
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
  const promised = new Set<string>() // to sessions
  const inTurn = newQueue()
  const why = await whyNoImages(folder, instance, AbortSignal.timeout(PROBE_MS))
  if (why !== undefined) app.log.warn({ plugin: 'homes', why }, 'home size limit unavailable')

  app.audit.own('promised home', () => promised, ({ id }) => [id])
  app.decorate('homes', {
    kind: why === undefined ? 'image' : 'folder',
    promise: id => inTurn(async () => {
      await look()
      promised.add(id)
    }),
    hold: id => { promised.add(id) },
    release: id => { promised.delete(id) },
    look,
    create: (account, signal) => why === undefined ? createHomeImage(account, homeSize, signal) : createHomeFolder(account),
    remove: removeHome
  } satisfies FastifyInstance['homes'])

  async function look (instead = false): Promise<void> {
    if (why !== undefined) return
    const before = promised.size
    const { count, growthBytes, freeBytes, freeFiles } = await measureImages(folder)
    const unmade = Math.max(0, Math.max(before, promised.size) - count)
    const promisedBytes = growthBytes + unmade * homeSize * MIB + promised.size * BESIDE_HOME_MIB * MIB
    const more = instead ? 0 : 1
    if (freeBytes < promisedBytes + more * (homeSize + BESIDE_HOME_MIB) * MIB || freeFiles < (unmade + more) * FILES_EACH) throw failure('NO_DISK')
  }
}

export default fp(homes, { name: 'homes', dependencies: ['config', 'instance', 'audit'] })
