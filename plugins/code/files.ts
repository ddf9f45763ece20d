import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { Conditions } from '#domain/code/file-changes.ts'
import { Lanes } from '#domain/concurrency/lanes.ts'
import type { SessionFacts } from '#domain/session.ts'
import { TOOL_FOLDERS, UNLISTED_FOLDERS } from '#domain/code/tool-folders.ts'
import { listFiles, receiveArchive, receiveFile, sendFile, sendZip, type ListedFile, type Received, type SentFile } from '#system/code/file-transfer.ts'
import type { Pushed } from '#system/code/file-writer.ts'
import type { Enter } from '#system/sandbox/enter.ts'
import { IN_SANDBOX } from '#system/sandbox/sandbox.ts'
import { MOST_TRANSFERS } from '#system/code/transfer.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Reads and writes the files of a session's sourceDir. Callers pass checked paths. Content that is returned must be
     * read to its end or destroyed. `signal` breaks a transfer off, which then leaves nothing behind.
     * All throw {Ex10Error} EX10_TOO_MANY_TRANSFERS, EX10_PATH_…, EX10_DISK_FULL, EX10_WRITER_FAILED.
     */
    files: {
      /** Lists the files; `truncated` when there are more than 20,000. */
      list (facts: SessionFacts, signal: AbortSignal): Promise<{ files: ListedFile[], truncated: boolean }>
      /** @throws {Ex10Error} EX10_FILE_TOO_LARGE */
      read (facts: SessionFacts, path: string, signal: AbortSignal): Promise<SentFile>
      /** Writes one file. Calls `mayGoOn` when the content has arrived. @throws {Ex10Error} EX10_PRECONDITION_FAILED; errors of the content and of `mayGoOn` */
      write (facts: SessionFacts, path: string, content: Incoming, conditions: Conditions): Promise<Written & { size: number, hash: string }>
      /** @throws {Ex10Error} EX10_PRECONDITION_FAILED */
      remove (facts: SessionFacts, by: string, path: string, conditions: Conditions & { ifExists: boolean }): Promise<Written>
      /** Replaces all files with those of an archive, or, with `merges`, adds them. @throws {Ex10Error} EX10_BAD_ARCHIVE, EX10_ARCHIVE_…; errors of the content */
      unpack (facts: SessionFacts, content: Incoming, merges: boolean): Promise<Written>
      /** A zip of the extension that Chromium loads, or of the build that a bundler makes for a store. @throws {Ex10Error} EX10_BUILD_FAILED, EX10_NOTHING_TO_EXPORT, EX10_EXPORT_TOO_LARGE */
      pack (facts: SessionFacts, withSourceMaps: boolean, signal: AbortSignal): Promise<Omit<SentFile, 'hash' | 'modified'>>
    }
  }
}

/** Content that the user `by` sends. `mayGoOn`, called when it has arrived, rejects when the client has lost its right to send it. */
export interface Incoming { by: string, content: AsyncIterable<Uint8Array>, signal: AbortSignal, mayGoOn: () => Promise<void> }

/** The session's version after the change, and the number of changed files. */
type Written = Pushed & { version: number }

const MAX_WAITING = 32

async function files (app: FastifyInstance): Promise<void> {
  const lanes = new Lanes(MOST_TRANSFERS, MAX_WAITING)
  const enterOf = (facts: SessionFacts): Enter => (argv, options) => app.sandboxes.enter(facts, argv, options)
  const templateOf = ({ template }: SessionFacts) => app.templates.get(template)

  app.decorate('files', {
    list: (facts, signal) => inLane(facts, signal, async () => {
      const { sourceDir, kind } = templateOf(facts)
      return await listFiles(enterOf(facts), sourceDir, UNLISTED_FOLDERS[kind], signal)
    }),
    read: (facts, path, signal) => untilRead(facts, signal, () => sendFile(enterOf(facts), templateOf(facts).sourceDir, path, signal)),
    write: (facts, path, { by, content, signal, mayGoOn }, conditions) => inLane(facts, signal, () => receiveFile(enterOf(facts), content, signal, async (transfer, file) => {
      const written = await take(facts, by, { transfer, changes: [{ path, staged: '0', ...conditions }] }, mayGoOn)
      return { ...written, ...file }
    })),
    async remove (facts, by, path, conditions) {
      let pushed: Pushed | undefined
      const version = await app.codeUpdates.change(facts, { by }, async write => { pushed = await write([{ path, delete: true, ...conditions }]) })
      return { made: 0, written: 0, deleted: 1, ...pushed, version }
    },
    unpack: (facts, { by, content, signal, mayGoOn }, merges) => inLane(facts, signal, () => receiveArchive(enterOf(facts), content, signal, async received => {
      return await take(facts, by, received, mayGoOn, merges ? undefined : TOOL_FOLDERS[templateOf(facts).kind])
    })),
    pack: (facts, withSourceMaps, signal) => untilRead(facts, signal, () => {
      const { sourceDir, extensionDir, release } = templateOf(facts)
      const build = release?.map(word => word.replace('$STORE', IN_SANDBOX.template).replace('$SOURCE', sourceDir))
      return sendZip(enterOf(facts), extensionDir, withSourceMaps ? [] : ['.map'], build, signal)
    })
  } satisfies FastifyInstance['files'])

  async function inLane<T> ({ id }: SessionFacts, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const leave = await lanes.enter(id, signal)
    try {
      return await app.expiry.during(id, work)
    } finally {
      leave()
    }
  }

  /** Runs work in a lane that stays taken until the content that the work returns has been closed. */
  async function untilRead<Sent extends Pick<SentFile, 'content'>> ({ id }: SessionFacts, signal: AbortSignal, work: () => Promise<Sent>): Promise<Sent> {
    const leave = await lanes.enter(id, signal)
    app.expiry.saw(id)
    try {
      const sent = await work()
      sent.content.once('close', leave)
      return sent
    } catch (error) {
      leave()
      throw error
    }
  }

  async function take (facts: SessionFacts, by: string, { transfer, changes }: Received, mayGoOn: () => Promise<void>, allBut?: readonly string[]): Promise<Written> {
    let pushed: Pushed | undefined
    await mayGoOn()
    const version = await app.codeUpdates.change(facts, { by }, async write => { pushed = await write(changes, { transfer, ...(allBut && { allBut }) }) })
    return { made: 0, written: 0, deleted: 0, ...pushed, version }
  }
}

export default fp(files, { name: 'files', dependencies: ['sandboxes', 'templates', 'code-updates', 'expiry'] })
