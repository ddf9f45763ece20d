import { join } from 'node:path'
import { Value } from '@sinclair/typebox/value'
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { CodeUpdates, FirstFiles } from '#domain/sessions/capabilities.ts'
import { coalesce } from '#domain/concurrency/coalesce.ts'
import { Listeners } from '#domain/concurrency/listeners.ts'
import { ChangeQueue } from '#domain/code/change-queue.ts'
import { CodePipeline } from '#domain/code/code-pipeline.ts'
import type { Kept, Outcome, Running, Stations } from '#domain/code/code-stations.ts'
import { extensionId } from '#domain/programs/extension-id.ts'
import { PROGRAMS, type ProgramName } from '#domain/programs/programs.ts'
import { problemsOf } from '#domain/code/extension-problems.ts'
import { toAllFiles, toChanges, type FileChange } from '#domain/code/file-changes.ts'
import { parseManifest } from '#domain/code/manifest.ts'
import type { SessionFacts, Template, TemplateKind } from '#domain/session.ts'
import type { Source } from '#domain/code/source-files.ts'
import { TOOL_FOLDERS } from '#domain/code/tool-folders.ts'
import type { Origin } from '#domain/code/version.ts'
import { raise } from '#errors.ts'
import type { PushedFile } from '#schemas/code-update.ts'
import { KeptExtension } from '#schemas/kept-extension.ts'
import type { Problem } from '#schemas/problem.ts'
import type { BrowserChannel } from '#system/programs/browser-channel.ts'
import { reloadExtension, workerSettled } from '#system/programs/extension-reload.ts'
import { receiveArchive } from '#system/code/file-transfer.ts'
import { FileWriter, type Pushed, type PushOptions } from '#system/code/file-writer.ts'
import type { Enter } from '#system/sandbox/enter.ts'
import { keepExtension, keptExtension } from '#system/instance/session-folder.ts'

declare module 'fastify' {
  interface FastifyInstance {
    codeUpdates: CodeUpdates & {
      /**
       * Writes all of the files into the session's sourceDir or none, and returns the number of pushes including
       * this one. Then, in the background, the browser reloads what has changed. With `isAll`, deletes all other files. `by` is the user.
       * @throws {Ex10Error} EX10_PATH_…, EX10_TOO_LARGE, EX10_BAD_ENCODING, EX10_BUSY, EX10_DISK_FULL, EX10_WRITER_FAILED
       */
      push (facts: SessionFacts, by: string, files: PushedFile[], isAll?: boolean): Promise<number>
      /**
       * Runs `work`, which changes the session's sourceDir by `write`, and continues as after a push. Nothing else is written meanwhile.
       * @throws {Ex10Error} EX10_BUSY; errors of `work`
       */
      change (facts: SessionFacts, cause: Cause, work: (write: Write) => Promise<unknown>): Promise<number>
      /** Resolves when the browser runs the last push, or when that has failed. */
      settled (facts: SessionFacts): Promise<Outcome>
      /** All problems of the extension, errors first. */
      problems (facts: SessionFacts): Problem[]
      /** Follows every change of sourceDir from now on, and reloads. With `isAdopted`, resumes from the state that an earlier server kept. */
      follow (facts: SessionFacts, isAdopted: boolean): void
      /** Calls `listener`, which must not throw, with the result of every build from now on. Plain templates have none. */
      onBuilt (listener: (facts: SessionFacts, isGood: boolean) => void): void
      /** The session's browser: the id of the extension that it runs, its DevTools, and a load of the extension although no file has changed. @throws {Ex10Error} EX10_SESSION_NOT_FOUND */
      browser (facts: SessionFacts): { extensionId: string | undefined, devTools: BrowserChannel['devTools'], reload: () => Promise<void> }
    }
  }
}

/** Makes all of these changes of the session's sourceDir, or none. Errors are those of `FileWriter.push`. */
export type Write = (changes: FileChange[], options?: PushOptions) => Promise<Pushed>

/** Why there is a new version. */
export type Cause = Omit<Origin, 'version' | 'named'>

/** The parts of one session that lead from pushed files to the reloaded browser. */
interface Updates {
  writer: FileWriter
  changes: ChangeQueue
  /** A push was written after the last restart of given-up programs. */
  isWanted: boolean
  pipeline: CodePipeline
  channel: BrowserChannel
}

/** The programs whose restart restarts the browser, too. */
const WITH_BROWSER: readonly ProgramName[] = ['browser', ...PROGRAMS.browser.needs]
const OPEN_MS = 10_000
/** The most time for a build and the reload together: a project installs its dependencies first. */
const SYNC_MS: Record<TemplateKind, number> = { plain: 30_000, bundled: 60_000, project: 20 * 60_000 }

async function codeUpdates (app: FastifyInstance): Promise<void> {
  const all = new Map<string, Updates>()
  const builds = new Listeners<[SessionFacts, isGood: boolean]>()
  const placeOf = ({ id }: SessionFacts) => ({ sealer: app.sealer, dir: app.instance.folder.session(id), session: id })
  const enterOf = (facts: SessionFacts): Enter => (argv, options) => app.sandboxes.enter(facts, argv, options)
  const templateOf = ({ template }: SessionFacts) => app.templates.get(template)
  const pathOf = (facts: SessionFacts) => join(facts.account.home, templateOf(facts).extensionDir)

  app.events.observe((facts, { type, service }) => {
    if (type !== 'service-restarted' || !service || !WITH_BROWSER.includes(service)) return
    const updates = all.get(facts.id)
    updates?.channel.release()
    updates?.pipeline.lost().catch(err => app.log.warn({ err, sessionId: facts.id }, 'extension not loaded again'))
  })
  app.audit.own('pipeline', () => all.keys())
  app.decorate('codeUpdates', {
    async install (facts: SessionFacts, template: Template, own: FirstFiles | undefined, signal: AbortSignal) {
      const { writer } = updatesOf(facts)
      await writer.push('', [...app.programs.files(facts, template), ...(own ? [] : app.templates.get(template.name).files)])
      if (own && 'changes' in own) await writer.push(template.sourceDir, own.changes)
      if (own && 'archive' in own) await receiveArchive(enterOf(facts), own.archive(), signal, ({ transfer, changes }) => writer.push(template.sourceDir, changes, { transfer }), own.isExact)
    },
    async begin (facts: SessionFacts, template: Template, isOwn: boolean, signal: AbortSignal) {
      if (template.kind !== 'project') await updatesOf(facts).pipeline.begin(signal, isOwn) // a project's first build may take minutes
    },
    push: (facts: SessionFacts, by: string, files: PushedFile[], isAll = false) => app.expiry.during(facts.id, async () => {
      const changes = isAll ? toAllFiles(files) : toChanges(files)
      const options = isAll ? { allBut: TOOL_FOLDERS[templateOf(facts).kind] } : {}
      return await change(facts, { by }, write => write(changes, options))
    }),
    change: (facts: SessionFacts, cause: Cause, work: Parameters<typeof change>[2]) => app.expiry.during(facts.id, () => change(facts, cause, work)),
    settled: (facts: SessionFacts) => updatesOf(facts).pipeline.settled(),
    problems: (facts: SessionFacts) => all.get(facts.id)?.pipeline.problems ?? [],
    follow (facts: SessionFacts, isAdopted: boolean) {
      const updates = updatesOf(facts)
      const { pipeline } = updates
      app.history.follow(facts, sourceOf(facts, updates), isAdopted)
      const begin = async () => {
        const kept = isAdopted ? await keptExtension(placeOf(facts)) : undefined
        if (Value.Check(KeptExtension, kept)) pipeline.resume(kept)
        pipeline.follow()
        const { loaded, reloadMs } = await pipeline.settled()
        if (loaded && !isAdopted) app.history.confirm(facts, 0, reloadMs)
      }
      begin().catch(err => app.log.warn({ err, sessionId: facts.id }, 'changes not followed'))
    },
    onBuilt (listener: Parameters<typeof builds.add>[0]) { builds.add(listener) },
    browser ({ id }: SessionFacts) {
      const { pipeline, channel } = all.get(id) ?? raise('SESSION_NOT_FOUND')
      return { extensionId: pipeline.extensionId, devTools: (signal: AbortSignal) => channel.devTools(signal), reload: () => pipeline.lost() }
    },
    stop (facts: SessionFacts) {
      const updates = all.get(facts.id)
      updates?.pipeline.end()
      updates?.channel.end()
      updates?.writer.stop()
      app.history.stop(facts)
      all.delete(facts.id)
    }
  })

  function updatesOf (facts: SessionFacts): Updates {
    const known = all.get(facts.id)
    if (known) return known
    const log = (err: unknown) => app.log.warn({ err, sessionId: facts.id }, 'extension not observed')
    const channel = app.browser.channel(facts, id => { extensionChanged(id).catch(log) })
    const writer = new FileWriter(enterOf(facts))
    const pipeline = new CodePipeline(stationsOf(facts, writer, channel), SYNC_MS[templateOf(facts).kind])
    let heard = ''
    const read = coalesce(() => pipeline.heard(heard))
    const extensionChanged = (id: string) => {
      heard = id
      return read()
    }
    const updates = { writer, changes: new ChangeQueue(), isWanted: false, pipeline, channel }
    all.set(facts.id, updates)
    return updates
  }

  function sourceOf (facts: SessionFacts, { writer, changes: { inTurn } }: Updates): Source {
    const { sourceDir, kind } = templateOf(facts)
    const toolFolders = TOOL_FOLDERS[kind]
    return {
      toolFolders,
      inTurn,
      scan: (also, all) => writer.scan(sourceDir, { skip: toolFolders, also, all }),
      content: (path, size) => writer.content(sourceDir, path, size)
    }
  }

  function stationsOf (facts: SessionFacts, writer: FileWriter, channel: BrowserChannel): Stations {
    const path = pathOf(facts)
    let kept: Kept
    const isBuilt = app.templates.get(facts.template).kind !== 'plain'
    let built: number | undefined // the dev server's version of the last build
    const pin = async (id: string, signal: AbortSignal) => (await channel.page(signal)).pin(id, signal)
    const keep = coalesce(() => keepExtension(placeOf(facts), kept))
    return {
      version: () => app.registry.get(facts.id)?.version ?? 0,
      written: () => writer.written(),
      async revive () {
        const updates = all.get(facts.id)
        // a load into a restarted browser is no push: it would start a browser in a crash loop again and again
        if (!updates?.isWanted) return
        updates.isWanted = false
        await app.supervision.retry(facts.id)
      },
      async changes (after, waitMs, signal) {
        const changes = await app.devServer.changes(facts, after, waitMs, signal)
        if (isBuilt && built !== undefined && changes.version !== built) builds.tell(facts, changes.ok)
        built = changes.version
        return changes
      },
      async reload ({ manifest, before, pagesOnly }, signal) {
        const reloaded = await reloadExtension(channel, { path, pagesOnly, manifest: read(manifest), before: before && { id: before.id, manifest: read(before.manifest) } }, signal)
        const extension: Running | undefined = reloaded.extension && { id: reloaded.extension.id, manifest: reloaded.refusal ? before?.manifest : manifest }
        const isOther = extension && extension.id !== before?.id && extension.id !== extensionId(path) // the first extension's icon is pinned from the start
        if (isOther) pin(extension.id, signal).catch(err => app.log.warn({ err, sessionId: facts.id }, 'icon not pinned'))
        return { ...reloaded, extension }
      },
      forgetErrors: async (id, signal) => (await channel.page(signal)).forget(id, signal),
      listen: async signal => (await channel.page(signal)).listen(signal),
      async errors (id, signal) {
        const problems = problemsOf(await (await channel.page(signal)).info(id, signal))
        return await app.devServer.inSources(facts, templateOf(facts), problems, signal)
      },
      workerSettled: (id, old, asks, signal) => workerSettled(channel, id, old, asks, signal),
      keep (state) {
        kept = state
        keep().catch(err => app.log.warn({ err, sessionId: facts.id }, 'extension state write failed'))
      },
      confirm: (version, reloadMs) => app.history.confirm(facts, version, reloadMs),
      tell: event => app.events.publish(facts, event),
      warn: (err, message) => app.log.warn({ err, sessionId: facts.id }, message)
    }
  }

  async function change (facts: SessionFacts, cause: Cause, work: (write: Write) => Promise<unknown>): Promise<number> {
    const updates = updatesOf(facts)
    updates.channel.page(AbortSignal.timeout(OPEN_MS)).catch(() => {}) // opened early for the reload after the write, which reports a failure
    const { version } = await updates.changes.run(() => writeVersion(facts, updates, work), written => app.history.keep(facts, { ...cause, ...written }))
    return version
  }

  async function writeVersion (facts: SessionFacts, updates: Updates, work: (write: Write) => Promise<unknown>): Promise<{ version: number, named: string[] }> {
    const { sourceDir } = templateOf(facts)
    const named: string[] = []
    let files = 0
    await work(async (changes, options) => {
      named.push(...changes.map(({ path }) => path))
      const pushed = await updates.writer.push(sourceDir, changes, options)
      files += pushed.written + pushed.deleted
      return pushed
    })
    const version = await app.registry.addVersion(facts.id)
    app.events.publish(facts, { type: 'pushed', message: `Push ${version} was written`, version, files })
    updates.isWanted = true
    app.expiry.during(facts.id, () => updates.pipeline.sync()).catch(err => app.log.error({ err, sessionId: facts.id }, 'code not reloaded'))
    return { version, named }
  }
}

function read (manifest: string | undefined) {
  return manifest === undefined ? undefined : parseManifest(manifest)
}

export default fp(codeUpdates, { name: 'code-updates', dependencies: ['audit', 'instance', 'storage', 'sandboxes', 'registry', 'templates', 'programs', 'browser', 'dev-server', 'events', 'expiry', 'supervision', 'history'] })
