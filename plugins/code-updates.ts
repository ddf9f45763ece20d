import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { CodeUpdates } from '../src/domain/capabilities.ts'
import { coalesce } from '../src/domain/coalesce.ts'
import { AUTHORITY_FILE, DISPLAY_NUMBER, PROFILE_DIR } from '../src/domain/display.ts'
import { toChanges } from '../src/domain/file-changes.ts'
import { plainText } from '../src/domain/plain-text.ts'
import type { SessionFacts, Template } from '../src/domain/session.ts'
import { failure } from '../src/errors.ts'
import type { PushedFile } from '../src/schemas/code-update.ts'
import { ExtensionRefused } from '../src/system/extension-reload.ts'
import type { FileWriter } from '../src/system/file-writer.ts'
import { xAuthority } from '../src/system/x-authority.ts'

declare module 'fastify' {
  interface FastifyInstance {
    codeUpdates: CodeUpdates & {
      /**
       * Writes all of the files into the session's sourceDir or none, and returns how many pushes there were with
       * this one. Then, in the background, they are built and the browser reloads what is concerned.
       * @throws {Ex10Error} EX10_PATH_…, EX10_TOO_LARGE, EX10_BAD_ENCODING, EX10_BUSY, EX10_DISK_FULL, EX10_WRITER_FAILED
       */
      push (facts: SessionFacts, files: PushedFile[]): Promise<number>
      /** What is wrong with the code that was pushed last, if anything. */
      problem (facts: SessionFacts): string | undefined
    }
  }
}

/** A session's way from pushed files to the reloaded browser. */
interface Pipeline {
  writer: FileWriter
  /** Pushes that the writer has not written yet. */
  waiting: number
  /** Builds and reloads; several pushes at a time share it. */
  sync: () => Promise<void>
  /** The build that the browser has. */
  loaded: number
  /** The dev server was lost meanwhile: what it says has not changed may have. */
  unsure: boolean
  problem?: string | undefined
  ended: AbortController
}

const MAX_WAITING = 16
const SYNC_MS = 40_000
const BUILD_MS = 25_000
const PROBLEM_BYTES = 8192

/** Developer mode must be on before Chromium starts: dev tools lose the extension at its first reload otherwise. */
const PREFERENCES = JSON.stringify({ extensions: { ui: { developer_mode: true } } })

async function codeUpdates (app: FastifyInstance): Promise<void> {
  const pipelines = new Map<string, Pipeline>()

  function pipelineOf (facts: SessionFacts): Pipeline {
    const known = pipelines.get(facts.id)
    if (known) return known
    const pipeline: Pipeline = {
      writer: app.sandboxes.fileWriter(facts), waiting: 0, sync: coalesce(() => sync(facts, pipeline)), loaded: 0, unsure: false, ended: new AbortController()
    }
    pipelines.set(facts.id, pipeline)
    return pipeline
  }

  async function sync (facts: SessionFacts, pipeline: Pipeline): Promise<void> {
    const signal = AbortSignal.any([pipeline.ended.signal, AbortSignal.timeout(SYNC_MS)])
    try {
      const problem = await buildAndReload(facts, pipeline, signal)
      pipeline.problem = problem && plainText(problem, PROBLEM_BYTES)
    } catch (err) {
      if (pipeline.ended.signal.aborted) return
      pipeline.unsure = true
      pipeline.problem = err instanceof ExtensionRefused ? plainText(err.message, PROBLEM_BYTES) : 'The code was written, but could not be built or reloaded: push again'
      app.log.warn({ err, sessionId: facts.id }, 'code not reloaded')
    }
  }

  /** Returns what is wrong with the person's code, if anything. */
  async function buildAndReload (facts: SessionFacts, pipeline: Pipeline, signal: AbortSignal): Promise<string | undefined> {
    await app.supervision.retry(facts.id) // the code may be what it died of
    const { version, ok, error, worker = false, changed } = await app.devServer.build(facts, pipeline.loaded, AbortSignal.any([signal, AbortSignal.timeout(BUILD_MS)]))
    if (!ok) return error ?? 'The build failed'
    let started = true
    // a dev server that was started again after the clock was set back: nothing is newer than what the browser has
    const isUnsure = pipeline.unsure || version < pipeline.loaded
    if (changed.length > 0 || isUnsure) {
      const pagesOnly = !isUnsure && changed.every(part => part === 'pages')
      started = await app.browser.reload(facts, app.templates.get(facts.template), { pagesOnly, worker }, signal)
    }
    pipeline.loaded = version
    pipeline.unsure = false
    return started ? undefined : 'The service worker did not start'
  }

  app.audit.own('pipeline', () => pipelines.keys())
  app.decorate('codeUpdates', {
    async install (facts: SessionFacts, template: Template) {
      await pipelineOf(facts).writer.push('', [
        { path: AUTHORITY_FILE, content: xAuthority(DISPLAY_NUMBER) },
        { path: `${PROFILE_DIR}/Default/Preferences`, content: Buffer.from(PREFERENCES) },
        ...app.templates.get(template.name).files
      ])
    },
    push: (facts: SessionFacts, files: PushedFile[]) => app.expiry.during(facts.id, async () => {
      const { sourceDir } = app.templates.get(facts.template)
      const pipeline = pipelineOf(facts)
      const changes = toChanges(files)
      // each holds its files in memory, and a session can keep its writer from writing
      if (pipeline.waiting >= MAX_WAITING) throw failure('BUSY', { retryAfterSeconds: 1 })
      pipeline.waiting++
      try {
        await pipeline.writer.push(sourceDir, changes)
      } finally {
        pipeline.waiting--
      }
      const version = app.registry.addVersion(facts.id)
      app.expiry.during(facts.id, pipeline.sync).catch(err => app.log.error({ err, sessionId: facts.id }, 'code not reloaded'))
      return version
    }),
    problem: (facts: SessionFacts) => pipelines.get(facts.id)?.problem,
    stop (facts: SessionFacts) {
      const pipeline = pipelines.get(facts.id)
      pipeline?.ended.abort()
      pipeline?.writer.stop()
      pipelines.delete(facts.id)
    }
  })
}

export default fp(codeUpdates, { name: 'code-updates', dependencies: ['audit', 'sandboxes', 'registry', 'templates', 'browser', 'dev-server', 'expiry', 'supervision'] })
