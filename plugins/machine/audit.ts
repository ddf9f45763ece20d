import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { audit, type Audit, type Noun } from '#domain/machine/audit.ts'
import type { Session } from '#domain/session.ts'
import { portRanges } from '#domain/machine/slots.ts'
import { machineOf } from '#system/audit/machine.ts'
import { backendOf } from '#system/firewall/choice.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Compares the machine and this server's memory with what the live sessions imply. */
    audit: {
      /** Adds a plugin's own entries for sessions to the audit: `held` gives ids or other `ownerKeys`, `implied` those that a ready session must have. */
      own (kind: string, held: () => Iterable<string> | Promise<Iterable<string>>, implied?: (session: Session) => string[]): void
      /** Adds entries as `own` does. They are looked for in full audits alone: that look goes through all of a store. */
      ownInStores (kind: string, held: () => Promise<Iterable<string>>): void
      /**
       * Takes some 100 ms without findings, and some 2 s to confirm findings. With `isQuiet`, while no request is served, the
       * first look is enough. With `isFull`, looks through the stores, too.
       */
      run (signal: AbortSignal, options?: { isQuiet?: boolean, isFull?: boolean }): Promise<Audit>
      /** How much the last audit found; undefined before the first. */
      last (): { at: Date, leaked: number, missing: number, unseen: number } | undefined
    }
  }
}

async function auditPlugin (app: FastifyInstance): Promise<void> {
  const { portBase, slots } = app.config
  const { nouns, known } = machineOf({ ...app.config, folder: app.instance.folder, portRanges: portRanges(portBase, slots) }, await backendOf(app.config))
  const held: Noun[] = []
  const inStores: Noun[] = []
  let last: ReturnType<FastifyInstance['audit']['last']>

  app.decorate('audit', {
    own (kind, keys, implied) { held.push(nounOf(kind, keys, implied)) },
    ownInStores (kind, keys) { inStores.push(nounOf(kind, keys)) },
    async run (signal, { isQuiet = false, isFull = false } = {}) {
      const found = await audit([...nouns, ...held, ...isFull ? inStores : []], known, signal, isQuiet ? [] : undefined)
      last = { at: new Date(), leaked: found.leaked.length, missing: found.missing.length, unseen: found.unseen.length }
      return found
    },
    last: () => last
  } satisfies FastifyInstance['audit'])

  function nounOf (kind: string, keys: () => Iterable<string> | Promise<Iterable<string>>, implied: (session: Session) => string[] = () => []): Noun {
    return {
      noun: kind,
      observe: async () => [...await keys()].map(key => ({ kind, name: key, owner: key })),
      implied: session => implied(session).map(key => ({ kind, name: key }))
    }
  }
}

export default fp(auditPlugin, { name: 'audit', dependencies: ['config', 'instance'] })
