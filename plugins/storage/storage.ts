import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { every } from '#domain/concurrency/every.ts'
import { Blobs } from '#domain/storage/blobs.ts'
import { Records } from '#domain/storage/records.ts'
import type { Sealer } from '#domain/storage/sealer.ts'
import { isUnavailable } from '#domain/storage/store-link.ts'
import { openBlobs } from '#stores/index.ts'
import { openSealer } from '#system/instance/sealing.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Encrypts what outlives a request, with a data key for each session and user. */
    sealer: Sealer
    /** The records that sessions and users leave behind, in the store that EX10_STORE names. */
    records: Records
    /** Contents of any size: versions of code, recovery points, archives. */
    blobs: Blobs
  }
}

const PRUNE_MS = 60_000

async function storage (app: FastifyInstance): Promise<void> {
  const records = await app.instance.stores.openRecords()
  const blobs = await openBlobs(app.config, app.instance.folder)
  const closing = new AbortController()

  app.addHook('onClose', async () => {
    closing.abort()
    await Promise.all([records.close(), blobs.close()])
  })
  const sealer = await openSealer(app.config.keyFile || app.instance.folder.masterKeys, records)

  app.decorate('sealer', sealer)
  app.decorate('records', new Records(records, sealer))
  app.decorate('blobs', new Blobs(blobs, sealer))

  every(PRUNE_MS, async () => {
    await records.prune().catch(err => { if (!isUnavailable(err)) app.log.warn({ err }, 'ended records not removed') })
  }, closing.signal).catch(err => app.log.error({ err }, 'ended records not removed'))
}

export default fp(storage, { name: 'storage', dependencies: ['config', 'instance'] })
