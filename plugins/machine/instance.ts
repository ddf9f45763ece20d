import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { portRanges } from '#domain/machine/slots.ts'
import type { Backend } from '#stores/backend.ts'
import { storesOf } from '#stores/index.ts'
import { claimInstance } from '#system/instance/claims.ts'
import { dataFolderAt, prepareDataFolder, type DataFolder } from '#system/instance/data-folder.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** This server's hold on the machine: its uids and ports are claimed, and its data folder is there, root's own. */
    instance: {
      /** Names every path of the data folder. */
      folder: DataFolder
      /** Opens what is kept for longer than a server runs, but for the registry. */
      stores: Backend
      /**
       * Says that nothing of the instance is left on the machine: the claim ends with the server. Without this, the
       * claim stands for the next start, so that no other instance takes uids and ports that sessions still have.
       */
      vacate (): void
    }
  }
}

/** Claims the machine for this instance, then makes its data folder. Comes first: closes when all else has been given back. */
async function instance (app: FastifyInstance): Promise<void> {
  const { instance, dataDir, uidMin, uidMax, portBase, slots } = app.config
  const claim = claimInstance({ instance, dataDir, uidMin, uidMax, ports: portRanges(portBase, slots) })
  const folder = dataFolderAt(dataDir)
  let isVacated = false

  app.decorate('instance', {
    folder,
    stores: storesOf(app.config, folder),
    vacate () { isVacated = true }
  } satisfies FastifyInstance['instance'])
  app.addHook('onClose', async () => isVacated ? claim.release() : claim.keep())

  await prepareDataFolder(folder)
}

export default fp(instance, { name: 'instance', dependencies: ['config'] })
