import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { audit, type Audit, type Noun } from '#domain/machine/audit.ts'
import type { Session } from '#domain/session.ts'
import { portRanges } from '#domain/machine/slots.ts'
import { machineOf } from '#system/audit/machine.ts'
import { backendOf } from '#system/firewall/choice.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Compares what there is, on the machine and in this server, with what the live sessions imply. */
    audit: {
      /** Has what a plugin holds for sessions audited, too: `held` gives ids or other `ownerKeys`, `implied` those that a ready session must have. */
      own (kind: string, held: () => Iterable<string> | Promise<Iterable<string>>, implied?: (session: Session) => string[]): void
      /** Takes some 100 ms when all is well, and some 2 s to be sure when it is not; `isQuiet`, while nobody is served, it is sure at once. */
      run (signal: AbortSignal, isQuiet?: boolean): Promise<Audit>
    }
  }
}

async function auditPlugin (app: FastifyInstance): Promise<void> {
  const { portBase, slots } = app.config
  const { nouns, known } = machineOf({ ...app.config, folder: app.instance.folder, portRanges: portRanges(portBase, slots) }, await backendOf(app.config))
  const held: Noun[] = []

  app.decorate('audit', {
    own (kind, keys, implied = () => []) {
      held.push({
        noun: kind,
        observe: async () => [...await keys()].map(key => ({ kind, name: key, owner: key })),
        implied: session => implied(session).map(key => ({ kind, name: key }))
      })
    },
    run: (signal, isQuiet = false) => audit([...nouns, ...held], known, signal, isQuiet ? [] : undefined)
  } satisfies FastifyInstance['audit'])
}

export default fp(auditPlugin, { name: 'audit', dependencies: ['config', 'instance'] })
