import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { openRegistry, type RegistryStore } from '#stores/sqlite/registry.ts'
import { makeSessionFolder, markReady, readSessionFolders, removeSessionFolder } from '#system/instance/session-folder.ts'
import type { Registry } from '#domain/sessions/capabilities.ts'
import type { SessionFacts } from '#domain/session.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The durable record of sessions. */
    registry: RegistryStore & Registry & {
      /** Notes, durably, that the session's creation came to its end. */
      commit (facts: SessionFacts): void
      /** Forgets sessions that ended more than a day ago. */
      forgetOld (): void
    }
  }
}

const KEEP_ENDED_MS = 24 * 60 * 60 * 1000

/** Opens the registry, and records the sessions again that it has lost. */
async function registry (app: FastifyInstance): Promise<void> {
  const { folder } = app.instance
  const folderOf = ({ id }: SessionFacts) => folder.session(id)
  const store = openRegistry(folder.registry, to => {
    app.log.error({ plugin: 'registry', movedTo: to }, 'the registry was damaged: it was moved aside, and is made anew from the sessions\' folders')
  })
  app.addHook('onClose', async () => {
    if (store.live().length === 0) app.instance.vacate()
    store.close()
  })
  const forgetOld = () => store.prune(new Date(Date.now() - KEEP_ENDED_MS))
  forgetOld()
  const found = readSessionFolders(folder.sessions, (sessionId, err) => app.log.error({ plugin: 'registry', sessionId, err }, 'facts of a session that cannot be read'))
  for (const { facts, state } of found) {
    if (store.restore(facts, state)) app.log.warn({ plugin: 'registry', sessionId: facts.id, state }, 'session without a record: recorded again')
  }

  app.decorate('registry', {
    ...store,
    forgetOld,
    record (facts: SessionFacts) {
      makeSessionFolder(folderOf(facts), facts)
      store.record(facts)
    },
    commit (facts: SessionFacts) {
      markReady(folderOf(facts))
      store.setState(facts.id, 'ready')
    },
    forget: (facts: SessionFacts) => removeSessionFolder(folderOf(facts))
  })
}

export default fp(registry, { name: 'registry', dependencies: ['config', 'instance'] })
