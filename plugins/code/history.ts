import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { FileChange } from '#domain/code/file-changes.ts'
import { KeptBlobs, openBlob } from '#domain/code/kept-blobs.ts'
import type { Source } from '#domain/code/source-files.ts'
import { partitionOf, SourceHistory } from '#domain/code/source-history.ts'
import { readTree, type FileEntry } from '#domain/code/source-tree.ts'
import { keyOf, type Origin, type PendingVersion, type Version } from '#domain/code/version.ts'
import type { SessionFacts } from '#domain/session.ts'
import { failure } from '#errors.ts'
import { readPending, removePending, writePending } from '#system/instance/pending-versions.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The versions of each session's extension, in the stores. */
    history: {
      /** Keeps what the session begins with, or, of a session of an earlier server, the version that that server could not keep any more. */
      follow (facts: SessionFacts, source: Source, isAdopted: boolean): void
      /** Keeps the files as they are now, as this version. Call it in the source's turn. Never rejects. */
      keep (facts: SessionFacts, origin: Origin): Promise<void>
      /** Notes that the browser runs this version. The event `confirmed` says so, once for each pushed version. */
      confirm (facts: SessionFacts, version: number, reloadMs: number): void
      /** Keeps the files as they are now, without a version, and resolves with their tree. @throws {Ex10Error} EX10_SESSION_NOT_FOUND, EX10_WRITER_FAILED, EX10_TOO_…; the signal's reason */
      capture (facts: SessionFacts, signal: AbortSignal): Promise<string>
      /** The changes that lead from the files as they are now to those of a kept tree. Call it in the source's turn. @throws {Ex10Error} like `capture`; EX10_VERSION_NOT_FOUND */
      changesTo (facts: SessionFacts, tree: string): Promise<FileChange[]>
      /** The history of a live session, with every version that was pushed before the call. @throws {Ex10Error} EX10_SESSION_NOT_FOUND */
      of (facts: SessionFacts): Promise<SourceHistory>
      /** Runs work while nothing is pushed. @throws {Ex10Error} EX10_SESSION_NOT_FOUND; errors of `work` */
      inTurn<T> (facts: SessionFacts, work: (history: SourceHistory, source: Source) => Promise<T>): Promise<T>
      /** The last version that has its files, also after the session's end. */
      latest (id: string): Promise<{ version: number, tree: string } | undefined>
      /** All files of a kept tree, also after the session's end. @throws {Ex10Error} EX10_VERSION_NOT_FOUND */
      tree (id: string, tree: string): Promise<Map<string, FileEntry>>
      /** A file's content, which the caller must read to its end or destroy. @throws {Ex10Error} EX10_VERSION_NOT_FOUND */
      content (id: string, hash: string): Promise<Readable>
      /** The files of a kept tree, one after the other; the caller reads each content to its end, or destroys it. */
      files (id: string, tree: string): AsyncGenerator<FileEntry & { path: string, content: Readable }, void, undefined>
      /** Stops following the session. */
      stop (facts: SessionFacts): void
      /** Deletes the versions of an ended session, and all files but those of these trees. */
      forget (id: string, butTrees: string[]): Promise<void>
    }
  }
}

interface Followed {
  source: Source
  history: Promise<SourceHistory>
  /** Resolves when the stores have every version so far. */
  kept: Promise<unknown>
  /** The versions since the last time that the stores had all of them. */
  waiting: number
}

/** The author of what a session begins with. */
const SERVER = 'server'
/** The most bytes of what is captured where no versions are kept. */
const CAPTURED_BYTES = 100 * 1024 * 1024
/** After so many pushes, the next one waits until the stores have all versions. */
const MOST_WAITING = 64
/** How many versions the last one that could be kept may be behind. */
const LOOKED_BACK = 100

async function history (app: FastifyInstance): Promise<void> {
  const { records, blobs } = app
  const mostBytes = app.config.historySize * 1024 * 1024
  const all = new Map<string, Followed>()
  const placeOf = ({ id }: SessionFacts) => ({ sealer: app.sealer, dir: app.instance.folder.session(id), session: id })
  const ending = new Map<string, Promise<unknown>>()
  /** The versions of live sessions that may wait in memory for a store that is away. */
  const unwritten = new Map<string, { facts: SessionFacts, versions: number[] }>()
  let droppedBefore = 0

  app.decorate('history', {
    follow (facts, source, isAdopted) {
      const history = open(facts, source, isAdopted)
      const followed: Followed = { source, history, kept: Promise.resolve(), waiting: 0 }
      all.set(facts.id, followed)
      history.catch(err => app.log.error({ err, sessionId: facts.id }, 'history not read'))
      followed.kept = source.inTurn(async () => {
        const { versions } = await history
        const version = app.registry.get(facts.id)?.version ?? 0
        if (mostBytes === 0 || versions.at(-1)?.version === version) return
        await (await history).keep(await add(facts, followed, { version, by: isAdopted ? SERVER : facts.owner }))
      }).catch(err => app.log.warn({ err, sessionId: facts.id }, 'first version not kept'))
    },
    async keep (facts, origin) {
      const followed = all.get(facts.id)
      if (!followed || mostBytes === 0) return
      await keep(facts, followed, origin).catch(err => app.log.error({ err, sessionId: facts.id }, 'version not kept'))
    },
    confirm (facts, version, reloadMs) {
      const followed = all.get(facts.id)
      if (followed) confirm(facts, followed, version, reloadMs).catch(err => app.log.warn({ err, sessionId: facts.id }, 'version not confirmed'))
    },
    capture: (facts, signal) => inTurn(facts, async (history, source) => {
      signal.throwIfAborted()
      return await history.capture(source)
    }),
    async changesTo (facts, root) {
      const { source, history } = followedOf(facts)
      const files = await tree(facts.id, root)
      return await (await history).changesTo(source, files)
    },
    of: keptOf,
    inTurn,
    async latest (id) {
      const found = await records.list<Version>(partitionOf(id), { after: keyOf(Number.MAX_SAFE_INTEGER), newestFirst: true, limit: LOOKED_BACK })
      return found.map(({ value: { version, tree } }) => ({ version, tree })).find((kept): kept is { version: number, tree: string } => kept.tree !== undefined)
    },
    tree,
    content: (id, hash) => openBlob(blobs, id, hash),
    async * files (id, root) {
      for (const [path, entry] of await tree(id, root)) yield { path, ...entry, content: await openBlob(blobs, id, entry.hash) }
    },
    stop ({ id }) {
      const followed = all.get(id)
      if (followed) ending.set(id, over(followed).catch(() => {}))
      all.delete(id)
      unwritten.delete(id)
    },
    async forget (id, butTrees) {
      await ending.get(id) // what was being kept is in the stores
      ending.delete(id)
      await records.drop(partitionOf(id))
      await (await KeptBlobs.open(id, blobs)).keepOnly(butTrees)
    }
  } satisfies FastifyInstance['history'])

  app.storeLink.onChange(change => {
    const { dropped } = app.storeLink.state()
    if (change === 'away') droppedBefore = dropped
    else {
      const written = dropped === droppedBefore ? [...unwritten.values()] : [] // otherwise the next server may write what was dropped
      unwritten.clear()
      for (const { facts, versions } of written) {
        Promise.all(versions.map(version => wrote(facts, version))).catch(err => app.log.warn({ err, sessionId: facts.id }, 'files of kept versions not deleted'))
      }
    }
  })
  app.addHook('onClose', async () => { await Promise.all([...all.values()].map(({ kept }) => kept)) })

  function followedOf ({ id }: SessionFacts): Followed {
    const followed = all.get(id)
    if (!followed) throw failure('SESSION_NOT_FOUND')
    return followed
  }

  async function keptOf (facts: SessionFacts): Promise<SourceHistory> {
    const { history, kept } = followedOf(facts)
    await kept
    return await history
  }

  async function inTurn<T> (facts: SessionFacts, work: (history: SourceHistory, source: Source) => Promise<T>): Promise<T> {
    const followed = followedOf(facts)
    return await followed.source.inTurn(async () => {
      await followed.kept
      return await work(await followed.history, followed.source)
    })
  }

  /** The session's history, with what an earlier server could not write into the stores any more. */
  async function open (facts: SessionFacts, { toolFolders }: Source, isAdopted: boolean): Promise<SourceHistory> {
    const again = () => SourceHistory.open(facts.id, mostBytes || CAPTURED_BYTES, records, blobs, toolFolders)
    const pending = isAdopted ? await readPending(placeOf(facts)) : []
    const history = await again()
    for (const version of pending) {
      await history.keep(version)
      await wrote(facts, version.version.version)
    }
    return pending.length > 0 ? await again() : history
  }

  /** Resolves when nothing more is written about the session. */
  async function over (followed: Followed): Promise<void> {
    await followed.source.inTurn(async () => {})
    await followed.kept
    await (await followed.history).written()
  }

  async function add (facts: SessionFacts, { source, history }: Followed, origin: Origin): Promise<PendingVersion> {
    return await (await history).add(source, origin, err => app.log.warn({ err, sessionId: facts.id, version: origin.version }, 'files of a version not kept'))
  }

  /** Resolves when a kill of this server cannot lose the version any more. The stores have it later, as `followed.kept` tells. */
  async function keep (facts: SessionFacts, followed: Followed, origin: Origin): Promise<void> {
    const { kept: before, history } = followed
    let isSafe = true
    const pending = add(facts, followed, origin).then(async pending => {
      await writePending(placeOf(facts), pending).catch(() => { isSafe = false }) // such as a full disk
      return pending
    })
    const kept: Promise<void> = followed.kept = pending.then(async pending => {
      await before
      await (await history).keep(pending)
      await wrote(facts, origin.version)
      if (followed.kept === kept) followed.waiting = 0
    }).catch(err => app.log.error({ err, sessionId: facts.id, version: origin.version }, 'version not kept'))
    await pending
    if (isSafe && ++followed.waiting < MOST_WAITING && !(await history).isFull) return
    followed.waiting = 0
    await followed.kept
    await (await history).makeRoom()
  }

  /** Deletes the file that keeps the version for the next server, as soon as the stores have the version. */
  async function wrote (facts: SessionFacts, version: number): Promise<void> {
    const { awaySince, waiting } = app.storeLink.state()
    if (!awaySince && waiting === 0) return await removePending(placeOf(facts), version)
    const { versions } = unwritten.get(facts.id) ?? { versions: [] }
    if (all.has(facts.id)) unwritten.set(facts.id, { facts, versions: [...versions, version] }) // else its folder goes
  }

  async function confirm (facts: SessionFacts, { history, kept }: Followed, number: number, reloadMs: number): Promise<void> {
    await kept
    const known = await history
    const version = known.versions.findLast(({ version }) => version === number)
    if (!version || version.confirmedAt !== undefined || !all.has(facts.id)) return
    await known.note(version, { confirmedAt: new Date().toISOString(), reloadMs })
    if (number > 0) app.events.publish(facts, { type: 'confirmed', message: `Version ${number} runs`, version: number, ms: reloadMs })
  }

  async function tree (id: string, root: string): Promise<Map<string, FileEntry>> {
    return await readTree(root, async blob => await buffer(await openBlob(blobs, id, blob)))
  }
}

export default fp(history, { name: 'history', dependencies: ['config', 'audit', 'events', 'instance', 'registry', 'storage', 'store-link'] })
