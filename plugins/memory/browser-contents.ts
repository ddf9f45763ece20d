import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { keptTabs, type Tab } from '#domain/memory/tab.ts'
import type { SessionFacts } from '#domain/session.ts'
import { openTabs, readStorage, readTabs, writeStorage, type ExtensionStorage } from '#system/memory/browser-contents.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What a session's browser shows and keeps. All reject when the browser does not answer. */
    browserContents: {
      /** The tabs that can be opened again, from left to right. */
      tabs (facts: SessionFacts, signal: AbortSignal): Promise<Tab[]>
      /** Makes the browser's tabs these ones. With none, changes nothing. */
      openTabs (facts: SessionFacts, tabs: Tab[], signal: AbortSignal): Promise<void>
      /** The storage of the user's extension; undefined when there is no extension, or when its storage has more than 10 MiB. */
      storage (facts: SessionFacts, signal: AbortSignal): Promise<ExtensionStorage | undefined>
      /** Makes the extension's storage this one, and loads the extension again, so that it begins with it. */
      writeStorage (facts: SessionFacts, storage: ExtensionStorage, signal: AbortSignal): Promise<void>
    }
  }
}

async function browserContents (app: FastifyInstance): Promise<void> {
  const { codeUpdates } = app

  app.decorate('browserContents', {
    async tabs (facts, signal) {
      return keptTabs(await readTabs(await codeUpdates.devTools(facts, signal), signal), codeUpdates.extensionId(facts))
    },
    async openTabs (facts, tabs, signal) {
      await openTabs(await codeUpdates.devTools(facts, signal), tabs, signal)
    },
    async storage (facts, signal) {
      const id = codeUpdates.extensionId(facts)
      return id === undefined ? undefined : await readStorage(await codeUpdates.devTools(facts, signal), id, signal)
    },
    async writeStorage (facts, storage, signal) {
      const id = codeUpdates.extensionId(facts)
      if (id === undefined) return
      await writeStorage(await codeUpdates.devTools(facts, signal), id, storage, signal)
      await codeUpdates.reload(facts)
    }
  } satisfies FastifyInstance['browserContents'])
}

export default fp(browserContents, { name: 'browser-contents', dependencies: ['code-updates'] })
