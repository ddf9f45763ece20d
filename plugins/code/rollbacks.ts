import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { TOOL_FOLDERS } from '#domain/code/tool-folders.ts'
import type { Origin } from '#domain/code/version.ts'
import type { SessionFacts } from '#domain/session.ts'

declare module 'fastify' {
  interface FastifyInstance {
    rollbacks: {
      /**
       * Makes the session's source files exactly those of a kept tree, as one push, and resolves with its version. Folders that
       * tools fill stay, but for the tree's own files in them. `begin` names the tree when the turn has come; `written` is called
       * when the files are there, before the next push.
       * @throws {Ex10Error} EX10_VERSION_NOT_FOUND; errors of a push, of `begin` and of `written`
       */
      goBack (facts: SessionFacts, begin: () => string, cause: Omit<Origin, 'version' | 'named'>, written?: () => Promise<void>): Promise<number>
    }
  }
}

async function rollbacks (app: FastifyInstance): Promise<void> {
  app.decorate('rollbacks', {
    async goBack (facts, begin, cause, written) {
      const allBut = TOOL_FOLDERS[app.templates.get(facts.template).kind]
      return await app.codeUpdates.change(facts, cause, async write => {
        await write(await app.history.changesTo(facts, begin()), { allBut, leaves: true })
        await written?.()
      })
    }
  } satisfies FastifyInstance['rollbacks'])
}

export default fp(rollbacks, { name: 'rollbacks', dependencies: ['templates', 'history', 'code-updates'] })
