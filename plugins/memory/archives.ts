import type { Readable } from 'node:stream'
import { json } from 'node:stream/consumers'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { SessionEvent } from '#domain/live/event.ts'
import { ARCHIVES, archivesOf, EVENTS_BLOB, newArchive, type Archive } from '#domain/memory/archive.ts'
import { snapshotScope } from '#domain/memory/snapshot.ts'
import type { EndReason, SessionFacts } from '#domain/session.ts'
import { DayIndex, readKey } from '#domain/storage/day-index.ts'
import { failure } from '#errors.ts'
import { compressedTar, type TarFile } from '#system/memory/tar-writer.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What remains of ended sessions, with EX10_ARCHIVE=1, until it is deleted or EX10_RETENTION_DAYS are over. */
    archives: {
      /** Archives of a user, or of all users, the last ended first: at most `limit`, after the key of an earlier page. */
      list (user: string | undefined, page: { limit: number, after?: string | undefined }): Promise<{ archives: Archive[], next?: string }>
      /** @throws {Ex10Error} EX10_ARCHIVE_NOT_FOUND */
      find (id: string): Promise<Archive>
      /** The archive as a tar.gz: the code, and JSON files of everything else. */
      download (archive: Archive): Promise<Readable>
      /** Deletes the archive, and what nothing else needs of the session. */
      remove (archive: Archive): Promise<void>
    }
  }
}

async function archives (app: FastifyInstance): Promise<void> {
  const { records, blobs, snapshots, leavings } = app
  const index = new DayIndex<{ owner: string }>(records, ARCHIVES)

  app.decorate('archives', {
    list: async (user, page) => user === undefined ? await listAll(page) : await listOf(user, page),
    async find (id) {
      const found = await index.find(id)
      const archive = found && await records.get<Archive>(archivesOf(found.value.owner), found.key)
      if (!archive) throw failure('ARCHIVE_NOT_FOUND')
      return archive.value
    },
    download: async archive => compressedTar(filesOf(archive), 'gzip'),
    remove: ({ id }) => remove(id)
  } satisfies FastifyInstance['archives'])
  app.retention.add('archives', index, remove)
  app.erasure.add('archives', async user => {
    const all = await records.keys(archivesOf(user))
    for (const key of all) await remove(readKey(key).id)
    await records.drop(archivesOf(user))
    return all.length
  })
  if (!app.config.archive) return

  app.farewells.add('archive', begin)
  const finishing = new Set<Promise<void>>()
  app.events.observe((facts, event) => {
    if (event.type !== 'ended') return
    const work = finish(facts, event).catch(err => app.log.error({ err, sessionId: facts.id }, 'archive without the end of its session'))
    finishing.add(work)
    work.finally(() => finishing.delete(work))
  })
  app.addHook('onClose', async () => { await Promise.all(finishing) })

  /** Archives the session while its programs still run. A teardown that is tried again finds its archive. */
  async function begin (facts: SessionFacts, reason: EndReason, signal: AbortSignal): Promise<void> {
    const archive = newArchive(facts, reason)
    await leavings.hold(facts.id, 'archive')
    if (await index.ownerOf(facts.id) === undefined) {
      await records.writeEach([
        [archivesOf(facts.owner), [{ key: `${archive.endedAt} ${facts.id}`, value: archive }]],
        ...index.adding({ id: facts.id, owner: facts.owner, at: archive.endedAt, value: { owner: facts.owner } })
      ])
    }
    await snapshots.take(facts, reason, signal)
  }

  async function finish (facts: SessionFacts, event: SessionEvent): Promise<void> {
    const events = [...app.events.past(facts.id), event] // at once: they are forgotten after this event
    const found = await index.find(facts.id)
    const archive = found && await records.get<Archive>(archivesOf(facts.owner), found.key)
    if (!found || !archive) return
    await blobs.put(snapshotScope(facts.id), EVENTS_BLOB, Buffer.from(JSON.stringify(events)))
    const snapshot = await snapshots.last(facts.id)
    const value: Archive = { ...archive.value, endedAt: event.at, reason: event.reason ?? archive.value.reason, isOver: true, ...(snapshot && { version: snapshot.version, snapshotAt: snapshot.at }) }
    await records.write(archivesOf(facts.owner), [{ key: found.key, value, ifRevision: archive.revision }]) // unless it was deleted meanwhile
  }

  async function listOf (user: string, { limit, after }: { limit: number, after?: string | undefined }): Promise<{ archives: Archive[], next?: string }> {
    const page = await records.list<Archive>(archivesOf(user), { newestFirst: true, limit: limit + 1, after })
    const last = page[limit - 1]
    return { archives: page.slice(0, limit).map(({ value }) => value), ...(page.length > limit && last && { next: last.key }) }
  }

  async function listAll ({ limit, after }: { limit: number, after?: string | undefined }): Promise<{ archives: Archive[], next?: string }> {
    const archives: Archive[] = []
    let last: string | undefined
    for (const day of (await index.days()).reverse()) {
      if (after !== undefined && day > after.slice(0, 10)) continue
      for await (const { key, value: { owner } } of index.of(day, { newestFirst: true, after: after?.startsWith(day) ? after : undefined })) {
        if (archives.length === limit) return { archives, ...(last !== undefined && { next: last }) }
        const found = await records.get<Archive>(archivesOf(owner), key)
        if (found) archives.push(found.value)
        last = key
      }
    }
    return { archives }
  }

  /** The entry in the index goes last, so that a failed removal is tried again. */
  async function remove (id: string): Promise<void> {
    const found = await index.find(id)
    if (!found) return
    await leavings.release(id, 'archive')
    await records.write(archivesOf(found.value.owner), [{ key: found.key }])
    await index.remove(id)
  }

  async function * filesOf (archive: Archive): AsyncGenerator<TarFile, void, undefined> {
    const { id } = archive
    const snapshot = await snapshots.last(id)
    const analytics = await app.analytics.find(id)
    const events = await blobs.get(snapshotScope(id), EVENTS_BLOB)
    yield asJson('session.json', { ...archive, ...(snapshot && { tabs: snapshot.tabs }) })
    if (events) yield asJson('events.json', await json(events))
    if (analytics) yield asJson('analytics.json', analytics.of)
    if (!snapshot) return
    const state = await snapshots.state(snapshot)
    if (state !== undefined) yield asJson('state.json', state)
    const storage = await snapshots.storage(snapshot)
    if (storage !== undefined) yield asJson('storage.json', storage)
    yield * app.remembering.code(snapshot, 'code/')
  }
}

function asJson (path: string, value: unknown): TarFile {
  const content = Buffer.from(JSON.stringify(value, null, 2) + '\n')
  return { path, size: content.length, content: [content] }
}

export default fp(archives, { name: 'archives', dependencies: ['analytics', 'config', 'erasure', 'events', 'farewells', 'leavings', 'remembering', 'retention', 'snapshots', 'storage'] })
