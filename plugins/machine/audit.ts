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
      /** Takes some 100 ms without findings, and some 2 s to confirm findings. With `isQuiet`, while no request is served, the first look is enough. */
      run (signal: AbortSignal, isQuiet?: boolean): Promise<Audit>
      /** How much the last audit found; undefined before the first. */
      last (): { at: Date, leaked: number, missing: number, unseen: number } | undefined
    }
  }
}

async function auditPlugin (app: FastifyInstance): Promise<void> {
  const { portBase, slots } = app.config
  const { nouns, known } = machineOf({ ...app.config, folder: app.instance.folder, portRanges: portRanges(portBase, slots) }, await backendOf(app.config))
  const held: Noun[] = []
  let last: ReturnType<FastifyInstance['audit']['last']>

  app.decorate('audit', {
    own (kind, keys, implied = () => []) {
      held.push({
        noun: kind,
        observe: async () => [...await keys()].map(key => ({ kind, name: key, owner: key })),
        implied: session => implied(session).map(key => ({ kind, name: key }))
      })
    },
    async run (signal, isQuiet = false) {
      const found = await audit([...nouns, ...held], known, signal, isQuiet ? [] : undefined)
      last = { at: new Date(), leaked: found.leaked.length, missing: found.missing.length, unseen: found.unseen.length }
      return found
    },
    last: () => last
  } satisfies FastifyInstance['audit'])
}

export default fp(auditPlugin, { name: 'audit', dependencies: ['config', 'instance'] })
