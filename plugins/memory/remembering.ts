import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Remember } from '#domain/sessions/remembered.ts'
import type { Snapshot } from '#domain/memory/snapshot.ts'
import { tabsFor } from '#domain/memory/tab.ts'
import type { SessionFacts } from '#domain/session.ts'
import type { FirstFiles } from '#domain/sessions/capabilities.ts'
import type { ExtensionStorage } from '#system/memory/browser-contents.ts'
import { codeOf, NAMES, readSessionArchive, type ArchiveHead } from '#system/memory/session-archive.ts'
import { compressedTar, type TarFile } from '#system/memory/tar-writer.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What new sessions go on from. */
    remembering: {
      /** The user's session of this token. The token is used up, and valid again when the new session does not become ready. */
      recover (user: string, token: string): Remember
      /** A session from an archive that `pack` made, here or elsewhere, for a new owner. Reads all of it first. @throws {Ex10Error} EX10_BAD_ARCHIVE, EX10_ARCHIVE_…, EX10_PATH_…, EX10_UNKNOWN_TEMPLATE */
      unpack (archive: () => AsyncIterable<Uint8Array>): Promise<Remember>
      /** The snapshot as an archive. */
      pack (snapshot: Snapshot, compression: 'gzip' | 'zstd'): Readable
      /** The files of a snapshot's code, with `prefix` before their paths. */
      code (snapshot: Snapshot, prefix: string): AsyncIterable<TarFile>
    }
  }
}

/** What a session goes on with when its files are there. */
export interface Rest { state: unknown, storage: ExtensionStorage | undefined, tabs: Snapshot['tabs'], devServerPort: number, extensionId: string | undefined }

const TABS_MS = 5000
/** A project's first build may take this long, as long as the pipeline allows. */
const BUILD_MS = 20 * 60_000
const AGAIN_MS = 500

async function remembering (app: FastifyInstance): Promise<void> {
  const closing = new AbortController()
  app.addHook('preClose', async () => closing.abort())

  app.decorate('remembering', {
    pack: (snapshot, compression) => compressedTar(entriesOf(snapshot), compression),
    code,
    async unpack (archive) {
      const { head: { template, width, height, tabs, devServerPort, extensionId }, state, storage } = await readSessionArchive(archive())
      app.templates.get(template)
      return async () => ({
        options: { template, width, height },
        own: { archive: () => compressedTar(codeOf(archive()), 'none'), isExact: true },
        restore: (facts, signal) => restore(facts, { state, storage, tabs: tabs as Snapshot['tabs'], devServerPort, extensionId }, signal),
        over: async () => {}
      })
    },
    recover: (user, token) => async () => {
      const { snapshot, succeeded, failed } = await app.recovery.claim(user, token)
      const { session: { template, width, height, devServerPort, keepsProfile = false, id: recoveredFrom }, at: recoveredAt, tabs, extensionId, profile } = snapshot
      return {
        options: { template, width, height, profile: keepsProfile },
        ...(profile && profile !== 'too-large' && { devServerPort }),
        prepare: (facts, signal) => app.profiles.restore(facts, snapshot, signal),
        own: snapshot.tree === undefined ? undefined : filesOf(snapshot),
        from: { recoveredFrom, recoveredAt },
        async restore (facts, signal) {
          const [state, storage] = await Promise.all([app.snapshots.state(snapshot), app.snapshots.storage(snapshot)])
          await restore(facts, { state, storage, tabs, devServerPort, extensionId }, signal)
        },
        over: async isReady => isReady ? await succeeded() : await failed()
      }
    }
  } satisfies FastifyInstance['remembering'])

  async function * code ({ session: { id }, tree }: Snapshot, prefix: string): AsyncGenerator<TarFile, void, undefined> {
    if (tree === undefined) return
    for await (const { path, size, content } of app.history.files(id, tree)) yield { path: prefix + path, size, content }
  }

  async function * entriesOf (snapshot: Snapshot): AsyncGenerator<TarFile, void, undefined> {
    const { at, tabs, extensionId, session: { template, width, height, devServerPort } } = snapshot
    const head: ArchiveHead = { format: 'ex10-session', version: 1, at, template, width, height, devServerPort, ...(extensionId !== undefined && { extensionId }), tabs }
    const [state, storage] = await Promise.all([app.snapshots.state(snapshot), app.snapshots.storage(snapshot)])
    for (const [path, value] of [[NAMES.head, head], [NAMES.state, state], [NAMES.storage, storage]] as const) {
      if (value === undefined) continue
      const content = Buffer.from(JSON.stringify(value))
      yield { path, size: content.length, content: [content] }
    }
    yield * code(snapshot, NAMES.code)
  }

  function filesOf (snapshot: Snapshot): FirstFiles {
    return { archive: () => compressedTar(code(snapshot, ''), 'none'), isExact: true }
  }

  async function restore (facts: SessionFacts, { state, storage, tabs, devServerPort, extensionId }: Rest, signal: AbortSignal): Promise<void> {
    if (state !== undefined) await app.state.restore(facts.id, state)
    const isKept = storage && Object.values(storage).some(items => Object.keys(items ?? {}).length > 0)
    if (isKept && app.codeUpdates.browser(facts).extensionId) await app.browserContents.writeStorage(facts, storage, signal)
    else if (isKept) writeLater(facts, storage).catch(err => app.log.warn({ err, sessionId: facts.id }, 'storage of the extension not restored'))
    const to = { devServerPort: facts.slot.devServerPort, extensionId: app.codeUpdates.browser(facts).extensionId }
    const opening = AbortSignal.any([signal, AbortSignal.timeout(TABS_MS)])
    await app.browserContents.openTabs(facts, tabsFor(tabs, { devServerPort, extensionId }, to), opening).catch(err => {
      signal.throwIfAborted()
      app.log.warn({ err, sessionId: facts.id }, 'tabs not opened again')
    })
  }

  /** Restores the storage of a project's extension after its first build, which the session does not wait for. */
  async function writeLater (facts: SessionFacts, storage: ExtensionStorage): Promise<void> {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(BUILD_MS)])
    while (!app.codeUpdates.browser(facts).extensionId) await delay(AGAIN_MS, undefined, { signal, ref: false })
    await app.browserContents.writeStorage(facts, storage, signal)
  }
}

export default fp(remembering, { name: 'remembering', dependencies: ['browser-contents', 'code-updates', 'history', 'profiles', 'recovery', 'registry', 'snapshots', 'state', 'templates'] })
