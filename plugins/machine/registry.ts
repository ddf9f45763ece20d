import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { ClockStore } from '#domain/live/clock-store.ts'
import type { UidCounter } from '#domain/machine/registry-store.ts'
import { SessionRegistry } from '#domain/machine/session-registry.ts'
import type { SessionFacts } from '#domain/session.ts'
import type { Registry } from '#domain/sessions/capabilities.ts'
import { openRegistry } from '#stores/sqlite/registry.ts'
import { makeSessionFolder, markReady, readSessionFolders, removeSessionFolder } from '#system/instance/session-folder.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** This server's sessions, in memory; every change is written to the journal, which the next server reads. */
    registry: Registry & Pick<SessionRegistry, 'get' | 'live' | 'find' | 'findCompleted' | 'stopping' | 'ended' | 'addVersion'> & {
      /** Writes that the session's creation has completed, as `SessionRegistry.ready` does, and notes it in the session's folder. */
      ready (facts: SessionFacts, signal: AbortSignal, commit: () => void): Promise<void>
      /** Forgets sessions that ended more than a day ago. */
      forgetOld (): Promise<void>
      clocks: ClockStore
      uids: UidCounter
    }
  }
}

const KEEP_ENDED_MS = 24 * 60 * 60 * 1000

/** Opens the registry, and records sessions again whose records were lost. */
async function registry (app: FastifyInstance): Promise<void> {
  const log = app.log.child({ plugin: 'registry' })
  const { folder } = app.instance
  const folderOf = ({ id }: SessionFacts) => folder.session(id)
  const { sessions: store, clocks, uids } = openRegistry(folder.registry, to => {
    log.error({ movedTo: to }, 'damaged registry moved aside: it is rebuilt from the sessions\' folders')
  })
  app.addHook('onClose', () => store.close())
  await forgetOld()
  await restore()
  const sessions = await SessionRegistry.open(store)
  // hooks run last added first: this one runs before the store is closed
  app.addHook('onClose', async () => { if (sessions.live().length === 0) app.instance.vacate() })

  app.decorate('registry', {
    get: id => sessions.get(id),
    live: () => sessions.live(),
    find: id => sessions.find(id),
    findCompleted: key => sessions.findCompleted(key),
    async record (facts) {
      makeSessionFolder(folderOf(facts), facts)
      await sessions.record(facts)
    },
    async ready (facts, signal, commit) {
      markReady(folderOf(facts))
      await sessions.ready(facts.id, signal, commit)
    },
    stopping: (id, reason) => sessions.stopping(id, reason),
    ended: (id, state) => sessions.ended(id, state),
    forget: facts => removeSessionFolder(folderOf(facts)),
    addVersion: id => sessions.addVersion(id),
    forgetOld,
    clocks,
    uids
  } satisfies FastifyInstance['registry'])

  async function forgetOld (): Promise<void> {
    await store.prune(new Date(Date.now() - KEEP_ENDED_MS))
  }

  /** Records sessions again from their folders, which hold their facts, too: a lost registry is rebuilt from them. */
  async function restore (): Promise<void> {
    const found = readSessionFolders(folder.sessions, (sessionId, err) => log.error({ sessionId, err }, 'session facts not readable'))
    for (const { facts, state } of found) {
      if (await store.restore(facts, state)) log.warn({ sessionId: facts.id, state }, 'session without a record: recorded again')
    }
  }
}

export default fp(registry, { name: 'registry', dependencies: ['instance'] })
