import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { lazily } from '#domain/concurrency/lazily.ts'
import { newQueue } from '#domain/concurrency/queue.ts'
import type { Homes } from '#domain/sessions/capabilities.ts'
import { Ex10Error, failure, StartRefused } from '#errors.ts'
import { createHomeFolder, createHomeImage, measureImages, removeHome, whyNoImages } from '#system/accounts/homes.ts'

declare module 'fastify' {
  interface FastifyInstance {
    homes: Homes & {
      /** The kind of homes on this host: an image has a size of its own, folders share the disk; unknown after a start on a full disk, until there is room. */
      readonly kind: 'image' | 'folder' | 'unknown'
      /**
       * Promises the session a home.
       * @throws {Ex10Error} EX10_NO_DISK unless the disk could hold one more full home beside those already promised
       */
      promise (sessionId: string): Promise<void>
      /** Promises a session of an earlier server the home that it has already. */
      hold (sessionId: string): void
      /** Ends the promise: the session's home has been removed, or will not be made. */
      release (sessionId: string): void
      /**
       * Checks that the disk could hold one more home; with `instead`, that it could after one promised home is released.
       * @throws {Ex10Error} EX10_NO_DISK
       */
      look (instead?: boolean): Promise<void>
      /** The disk's free space, and the part of it that is promised to sessions; undefined where homes have no size. */
      measure (): Promise<{ freeBytes: number, promisedBytes: number } | undefined>
      /** The space that `look` requires for one more home. */
      bytesEach: number
    }
  }
}

const MIB = 1024 * 1024
/** The most that a session takes of the disk beside its home's size: its logs, events, and the image's own overhead. */
const BESIDE_HOME_MIB = 32
/** The files (inodes) that a session takes of the disk: its image, services and logs. */
const FILES_EACH = 256
const PROBE_MS = 20_000
const PROBE_AGAIN_MS = 1000

async function homes (app: FastifyInstance): Promise<void> {
  const { instance, homeSize, strict } = app.config
  const { homes: folder } = app.instance.folder
  const bytesEach = (homeSize + BESIDE_HOME_MIB) * MIB
  const promised = new Set<string>() // to sessions
  const inTurn = newQueue()
  const log = app.log.child({ plugin: 'homes' })
  let kind: FastifyInstance['homes']['kind'] = 'unknown'
  const probe = lazily(async () => {
    const why = await whyNoImages(folder, instance, AbortSignal.timeout(PROBE_MS))
    if (why !== undefined) log.warn({ why }, 'home size limit unavailable')
    kind = why === undefined ? 'image' : 'folder'
  }, PROBE_AGAIN_MS)
  await probe().catch((err: unknown) => {
    if (!(err instanceof Ex10Error)) throw err
    if (strict) throw new StartRefused(`EX10_STRICT=1 cannot be kept: the disk of ${folder} is full, so it is not known whether homes can have a size; free some space there, or start without it`, { cause: err })
    log.warn({ err }, 'disk full: whether homes can have a size is found out before the first creation')
  })

  app.audit.own('promised home', () => promised, ({ id }) => [id])
  app.decorate('homes', {
    get kind () { return kind },
    promise: id => inTurn(async () => {
      await look()
      promised.add(id)
    }),
    hold: id => { promised.add(id) },
    release: id => { promised.delete(id) },
    look,
    measure: async () => kind === 'folder' ? undefined : await measure(),
    bytesEach,
    create: (account, signal) => kind === 'image' ? createHomeImage(account, homeSize, signal) : createHomeFolder(account),
    remove: removeHome
  } satisfies FastifyInstance['homes'])

  async function look (instead = false): Promise<void> {
    if (kind === 'folder') return
    const { freeBytes, freeFiles, promisedBytes, unmade } = await measure()
    const more = instead ? 0 : 1
    if (freeBytes < promisedBytes + more * bytesEach || freeFiles < (unmade + more) * FILES_EACH) throw failure('NO_DISK')
    if (kind === 'unknown') await probe()
  }

  async function measure () {
    const before = promised.size
    const { count, growthBytes, freeBytes, freeFiles } = await measureImages(folder)
    const unmade = Math.max(0, Math.max(before, promised.size) - count)
    return { freeBytes, freeFiles, unmade, promisedBytes: growthBytes + unmade * homeSize * MIB + promised.size * BESIDE_HOME_MIB * MIB }
  }
}

export default fp(homes, { name: 'homes', dependencies: ['config', 'instance', 'audit'] })
