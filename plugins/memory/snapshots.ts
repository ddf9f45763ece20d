import { createHash } from 'node:crypto'
import { json } from 'node:stream/consumers'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { Lanes } from '#domain/concurrency/lanes.ts'
import { FOR_GOOD, isOfEnd, isSame, snapshotFacts, snapshotScope as scopeOf, type Runner, type Snapshot } from '#domain/memory/snapshot.ts'
import type { SessionFacts } from '#domain/session.ts'
import { failure } from '#errors.ts'
import type { ExtensionStorage } from '#system/memory/browser-contents.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What sessions were at their last looked-at moment: in the stores, for as long as the session lives or something holds it. */
    snapshots: {
      /**
       * Takes a snapshot of a session that is or was ready, and keeps it in place of the one before. A part that cannot be read now, because
       * a program is gone or does not answer, is taken from the one before; with `asked`, an error of the code or the state is thrown.
       */
      take (facts: SessionFacts, why: Snapshot['why'], signal: AbortSignal): Promise<Snapshot>
      /** The session's last snapshot, also after its end. */
      last (id: string): Promise<Snapshot | undefined>
      /** The session's state, as `app.state.all` gave it; undefined when there is none. */
      state (snapshot: Snapshot): Promise<unknown>
      storage (snapshot: Snapshot): Promise<ExtensionStorage | undefined>
      /** Notes that this server runs the session, or, with `disclaim`, that no server does. */
      claim (facts: SessionFacts): Promise<void>
      disclaim (id: string): Promise<void>
      /** The server that runs the session, or ran it when it was lost; with the time when another server noticed that. */
      runnerOf (id: string): Promise<Runner | undefined>
      /** Notes that the session's server was lost. */
      lose (id: string, runner: Runner, at: Date): Promise<void>
      /** Ends what is being taken of the session. Resolves when nothing is written any more. */
      stop (id: string): Promise<void>
      /** Deletes the browser's profile of the session's snapshot, if it has one. */
      forgetProfile (id: string): Promise<void>
      /** Deletes the session's snapshot, whatever holds it. */
      forget (id: string): Promise<void>
    }
  }
}

const PARTITIONS = 'snapshots/'
const LAST = 'last'
const LIVE = 'live'
/** The time for the browser's part. */
const BROWSER_MS = 4000

async function snapshots (app: FastifyInstance): Promise<void> {
  const { records, blobs } = app
  const { history } = app
  const lanes = new Lanes(1, 32)
  /** The takes under way, by session. */
  const taking = new Map<string, AbortController>()
  const partitionOf = (id: string) => PARTITIONS + id

  app.decorate('snapshots', {
    async take (facts, why, signal) {
      const leave = await lanes.enter(facts.id, signal)
      const stopped = new AbortController()
      const parts: Promise<unknown>[] = []
      taking.set(facts.id, stopped)
      try {
        return await take(facts, why, AbortSignal.any([signal, stopped.signal]), parts)
      } finally {
        taking.delete(facts.id)
        Promise.allSettled(parts).then(leave, leave) // a part that was given up may still write something
      }
    },
    last,
    state: async ({ session: { id }, state }) => await read(id, state),
    storage: async ({ session: { id }, storage }) => await read(id, storage) as ExtensionStorage | undefined,
    async claim ({ id }) {
      await records.write(partitionOf(id), [{ key: LIVE, value: { server: app.leases.own } satisfies Runner }])
    },
    async disclaim (id) {
      await records.write(partitionOf(id), [{ key: LIVE }])
    },
    runnerOf: async id => (await records.get<Runner>(partitionOf(id), LIVE))?.value,
    async lose (id, { server }, at) {
      await records.write(partitionOf(id), [{ key: LIVE, value: { server, lostAt: at.toISOString() } satisfies Runner }])
    },
    async stop (id) {
      taking.get(id)?.abort(failure('SESSION_NOT_FOUND'))
      const leave = await lanes.enter(id, AbortSignal.timeout(BROWSER_MS))
      leave()
    },
    async forgetProfile (id) {
      const before = await last(id)
      if (!before?.profile) return
      const { profile, ...snapshot } = before
      if (profile !== 'too-large') await blobs.delete(scopeOf(id), profile.blob)
      await records.write(partitionOf(id), [{ key: LAST, value: snapshot }])
    },
    async forget (id) {
      await records.drop(partitionOf(id))
      await blobs.drop(scopeOf(id))
    }
  } satisfies FastifyInstance['snapshots'])

  async function last (id: string): Promise<Snapshot | undefined> {
    return (await records.get<Snapshot>(partitionOf(id), LAST))?.value
  }

  /** Adds each part's work to `parts`: when the signal aborts, it may go on for a while. */
  async function take (facts: SessionFacts, why: Snapshot['why'], signal: AbortSignal, parts: Promise<unknown>[]): Promise<Snapshot> {
    const { id } = facts
    const before = await last(id)
    if (before && isOfEnd(before.why) && isOfEnd(why)) return before // a teardown that is tried again: the state is deleted already
    const or = async <T> (part: string, work: Promise<T>, otherwise: () => T | undefined | Promise<T | undefined>): Promise<T | undefined> => {
      parts.push(work)
      try {
        return await orAbort(work, signal)
      } catch (err) {
        if (why === 'asked' && ['code', 'state'].includes(part)) throw err
        app.log.info({ err, sessionId: id, part }, 'part of a snapshot taken from the one before')
        return await otherwise()
      }
    }
    const looking = AbortSignal.any([signal, AbortSignal.timeout(BROWSER_MS)])
    const [tree, state, tabs, storage] = await Promise.all([
      or('code', history.capture(facts, signal), async () => (await history.latest(id))?.tree ?? before?.tree),
      or('state', app.state.all(id).then(state => keep(id, 'state', state)), () => before?.state),
      or('tabs', app.browserContents.tabs(facts, looking), () => before?.tabs ?? []),
      or('storage', app.browserContents.storage(facts, looking).then(storage => storage && keep(id, 'storage', storage)), () => before?.storage)
    ])
    const extensionId = extensionOf(facts) ?? before?.extensionId
    // last: the browser may end for it. An archive for a client has no profile, so the one before stays
    const profile = !keepsProfile(facts, why) ? undefined : why === 'asked' ? before?.profile : await or('profile', app.profiles.keep(facts, isOfEnd(why), signal), () => before?.profile)
    const snapshot: Snapshot = {
      format: 1,
      at: new Date().toISOString(),
      why,
      session: snapshotFacts(facts),
      version: app.registry.get(id)?.version ?? before?.version ?? 0,
      ...(tree !== undefined && { tree }),
      tabs: tabs ?? [],
      ...(extensionId !== undefined && { extensionId }),
      ...(state !== undefined && { state }),
      ...(storage !== undefined && { storage }),
      ...(profile !== undefined && { profile })
    }
    signal.throwIfAborted()
    if (before && why === 'interval' && isSame(before, snapshot)) return before
    await records.write(partitionOf(id), [{ key: LAST, value: snapshot }])
    await sweep(snapshot)
    return snapshot
  }

  /** The result of the work; rejects as soon as the signal aborts. */
  async function orAbort<T> (work: Promise<T>, signal: AbortSignal): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>()
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    try {
      return await Promise.race([work, promise])
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** Whether the snapshot has the browser's profile: only a recovery needs it. */
  function keepsProfile (facts: SessionFacts, why: Snapshot['why']): boolean {
    return facts.keepsProfile === true && app.config.recoveryWindow > 0 && !(isOfEnd(why) && FOR_GOOD.includes(why))
  }

  function extensionOf (facts: SessionFacts): string | undefined {
    try {
      return app.codeUpdates.browser(facts).extensionId
    } catch {
      return undefined // of an earlier server's session
    }
  }

  /** Keeps a value as a blob, unless there is one of this content. Resolves with the blob's name. */
  async function keep (id: string, part: string, value: unknown): Promise<string> {
    const text = Buffer.from(JSON.stringify(value))
    const name = `${part}-${createHash('sha256').update(text).digest('hex')}`
    await blobs.put(scopeOf(id), name, text)
    return name
  }

  async function read (id: string, name: string | undefined): Promise<unknown> {
    if (name === undefined) return undefined
    const content = await blobs.get(scopeOf(id), name)
    if (!content) throw new Error(`the blob ${name} of session ${id} is not there: EX10_BLOBS is not where it was kept`)
    return await json(content)
  }

  /** Deletes the blobs of earlier snapshots. */
  async function sweep ({ session: { id }, state, storage, profile }: Snapshot): Promise<void> {
    const used = [state, storage, profile && profile !== 'too-large' ? profile.blob : undefined]
    const old = (await blobs.list(scopeOf(id))).filter(({ id }) => !used.includes(id))
    await Promise.all(old.map(({ id: name }) => blobs.delete(scopeOf(id), name)))
  }
}

export default fp(snapshots, { name: 'snapshots', dependencies: ['browser-contents', 'code-updates', 'config', 'history', 'leases', 'profiles', 'registry', 'state', 'storage'] })
