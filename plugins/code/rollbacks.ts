import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { TOOL_FOLDERS } from '#domain/code/tool-folders.ts'
import type { Origin } from '#domain/code/version.ts'
import type { SessionFacts } from '#domain/session.ts'
import { failure } from '#errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    rollbacks: {
      /**
       * Makes the session's source files exactly those of a kept tree, as one push, and resolves with its version. Folders that
       * tools fill stay, but for the tree's own files in them.
       * @throws {Ex10Error} EX10_VERSION_NOT_FOUND, and the errors of a push
       */
      goBack (facts: SessionFacts, tree: string | undefined, origin: Omit<Origin, 'version' | 'named'>): Promise<number>
    }
  }
}

async function rollbacks (app: FastifyInstance): Promise<void> {
  app.decorate('rollbacks', {
    async goBack (facts, tree, origin) {
      if (tree === undefined) throw failure('VERSION_NOT_FOUND')
      const allBut = TOOL_FOLDERS[app.templates.get(facts.template).kind]
      return await app.codeUpdates.change(facts, origin, async write => {
        await write(await app.history.changesTo(facts, tree), { allBut, leaves: true })
      })
    }
  } satisfies FastifyInstance['rollbacks'])
}

export default fp(rollbacks, { name: 'rollbacks', dependencies: ['templates', 'history', 'code-updates'] })
