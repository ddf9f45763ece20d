import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { portRanges } from '#domain/machine/slots.ts'
import type { Stores } from '#stores/backend.ts'
import { storesOf } from '#stores/index.ts'
import { storePassword } from '#system/access/store-password.ts'
import { claimInstance } from '#system/instance/claims.ts'
import { dataFolderAt, prepareDataFolder, type DataFolder } from '#system/instance/data-folder.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** This server's claim of uids and ports on the machine, and its data folder, which only root can open. */
    instance: {
      /** Names every path of the data folder. */
      folder: DataFolder
      /** Opens the stores that outlive a server, except the registry. */
      stores: Stores
      /**
       * States that nothing of the instance is left on the machine, so that the claim ends with the server. Otherwise the
       * claim stands until the next start, so that no other instance takes uids and ports that sessions still have.
       */
      vacate (): void
    }
  }
}

/** Claims the machine for this instance, then makes its data folder. Registered first, it closes last, when everything else has been given back. */
async function instance (app: FastifyInstance): Promise<void> {
  const { instance, dataDir, store, uidMin, uidMax, portBase, slots } = app.config
  const folder = dataFolderAt(dataDir)
  const stores = await storesOf({ store, password: storePassword(app.config) }, folder)
  const claim = claimInstance({ instance, dataDir, uidMin, uidMax, ports: portRanges(portBase, slots) })
  let isVacated = false

  app.decorate('instance', {
    folder,
    stores,
    vacate () { isVacated = true }
  } satisfies FastifyInstance['instance'])
  app.addHook('onClose', async () => isVacated ? claim.release() : claim.keep())

  await prepareDataFolder(folder)
}

export default fp(instance, { name: 'instance', dependencies: ['config'] })
