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
      /** Asks the browser to close. It then writes all that it has in memory, such as cookies, which it does not at a SIGTERM. */
      close (facts: SessionFacts, signal: AbortSignal): Promise<void>
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
      const { devTools, extensionId } = codeUpdates.browser(facts)
      return keptTabs(await readTabs(await devTools(signal), signal), extensionId)
    },
    async openTabs (facts, tabs, signal) {
      await openTabs(await codeUpdates.browser(facts).devTools(signal), tabs, signal)
    },
    async close (facts, signal) {
      const devTools = await codeUpdates.browser(facts).devTools(signal)
      await devTools.send('Browser.close', {}, { signal }).catch(() => signal.throwIfAborted()) // it may close before it answers
    },
    async storage (facts, signal) {
      const { devTools, extensionId } = codeUpdates.browser(facts)
      return extensionId === undefined ? undefined : await readStorage(await devTools(signal), extensionId, signal)
    },
    async writeStorage (facts, storage, signal) {
      const { devTools, extensionId, reload } = codeUpdates.browser(facts)
      if (extensionId === undefined) return
      await writeStorage(await devTools(signal), extensionId, storage, signal)
      await reload()
    }
  } satisfies FastifyInstance['browserContents'])
}

export default fp(browserContents, { name: 'browser-contents', dependencies: ['code-updates'] })
