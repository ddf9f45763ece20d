import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Firewall } from '../src/domain/capabilities.ts'
import type { SessionFacts } from '../src/domain/session.ts'
import { portRanges } from '../src/domain/slots.ts'
import { failure } from '../src/errors.ts'
import { addOwnPorts, deleteOwnPorts, deleteTable, loadTable, ownKey, readTable, type LoadedTable, type OwnPort } from '../src/system/nft.ts'
import { readResolvers } from '../src/system/resolvers.ts'
import { CommandFailed } from '../src/system/run.ts'

declare module 'fastify' {
  interface FastifyInstance {
    firewall: Firewall & {
      /**
       * Reads the rules back from the kernel and compares them with what was loaded.
       * @throws {Ex10Error} EX10_FIREWALL when nft is missing or refuses, or the rules are not the same
       */
      verify (signal?: AbortSignal): Promise<LoadedTable>
    }
  }
}

async function firewall (app: FastifyInstance): Promise<void> {
  const { instance: table, uidMin, uidMax, portBase, slots } = app.config
  await loadTable({ table, uidMin, uidMax, portRanges: portRanges(portBase, slots), ...await readResolvers() })
  const { rules } = await readTable(table)

  async function verify (signal?: AbortSignal): Promise<LoadedTable> {
    const loaded = await orRefused(() => readTable(table, signal))
    if (loaded.rules !== rules) throw failure('FIREWALL', { cause: new Error(`the table inet ${table} is not as it was loaded`) })
    return loaded
  }

  app.decorate('firewall', {
    verify,
    async open (facts: SessionFacts, signal: AbortSignal) {
      const own = ownPorts(facts)
      await orRefused(() => addOwnPorts(table, own, signal))
      const loaded = await verify(signal)
      const has = [...loaded.own].filter(key => key.startsWith(`${facts.account.uid} . `))
      if (has.length !== own.length || !own.every(port => loaded.own.has(ownKey(port)))) {
        throw failure('FIREWALL', { cause: new Error('the session\'s ports were not read back') })
      }
    },
    async close (facts: SessionFacts, signal: AbortSignal) {
      const own = ownPorts(facts)
      try {
        await deleteOwnPorts(table, own, signal)
      } catch (error) {
        // somebody deleted the table: then there is nothing to close
        if (error instanceof CommandFailed && /No such file or directory/.test(error.stderr)) return
        throw error
      }
      const left = (await readTable(table, signal)).own
      if (own.some(port => left.has(ownKey(port)))) throw new Error('the session\'s ports are still open')
    }
  })

  // registered before `sessions`, so it closes after them; without sessions nobody needs the table
  app.addHook('onClose', async () => {
    if (app.registry.live().length === 0) await deleteTable(table)
  })
}

function ownPorts ({ slot, account: { uid } }: SessionFacts): OwnPort[] {
  return [slot.displayPort, slot.devServerPort, slot.devToolsPort].map(port => ({ uid, port }))
}

/** When nft is missing, refuses, or says what makes no sense, no session may start. */
async function orRefused<T> (work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof CommandFailed || cause instanceof SyntaxError) throw failure('FIREWALL', { cause })
    throw cause
  }
}

export default fp(firewall, { name: 'firewall', dependencies: ['config', 'registry'] })
