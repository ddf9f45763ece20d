import { join } from 'node:path'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { prepareDataFolder } from '../src/system/data-folder.ts'
import { claimInstance } from '../src/system/instances.ts'
import { openRegistry, type RegistryStore } from '../src/system/registry.ts'
import { portRanges } from '../src/domain/slots.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The durable record of sessions. */
    registry: RegistryStore
  }
}

const KEEP_ENDED_MS = 24 * 60 * 60 * 1000

/** Claims the machine for this instance, then opens its data folder and its registry. */
async function registry (app: FastifyInstance): Promise<void> {
  const { instance, dataDir, uidMin, uidMax, portBase, slots } = app.config
  const claim = claimInstance({ instance, dataDir, uidMin, uidMax, ports: portRanges(portBase, slots) })

  await prepareDataFolder(dataDir)
  const store = openRegistry(join(dataDir, 'registry.db'))
  app.addHook('onClose', async () => {
    const isLeft = store.live().length > 0
    store.close()
    // what could not be undone keeps the claim, so that nobody else takes its uids and ports
    if (isLeft) claim.keep()
    else claim.release()
  })
  store.prune(new Date(Date.now() - KEEP_ENDED_MS))
  app.decorate('registry', store)
}

export default fp(registry, { name: 'registry', dependencies: ['config'] })
