import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { CodeUpdates } from '../src/domain/capabilities.ts'
import type { SessionFacts, Template } from '../src/domain/session.ts'
import { AUTHORITY_FILE, DISPLAY_NUMBER } from '../src/domain/display.ts'
import { checkFilePath } from '../src/domain/file-path.ts'
import { failure } from '../src/errors.ts'
import type { PushedFile } from '../src/schemas/code-update.ts'
import type { FileChange, FileWriter } from '../src/system/file-writer.ts'
import { xAuthority } from '../src/system/x-authority.ts'

declare module 'fastify' {
  interface FastifyInstance {
    codeUpdates: CodeUpdates & {
      /**
       * Writes all of the files into the session's sourceDir or none, and returns how many pushes there were with
       * this one. The browser reloads what is concerned right after.
       * @throws {Ex10Error} EX10_PATH_…, EX10_TOO_LARGE, EX10_BAD_ENCODING, EX10_DISK_FULL, EX10_WRITER_FAILED
       */
      push (facts: SessionFacts, files: PushedFile[]): Promise<number>
    }
  }
}

const FILE_BYTES = 5 * 1024 * 1024

/** Developer mode must be on before Chromium starts: dev tools lose the extension at its first reload otherwise. */
const PREFERENCES = JSON.stringify({ extensions: { ui: { developer_mode: true } } })

async function codeUpdates (app: FastifyInstance): Promise<void> {
  const writers = new Map<string, FileWriter>()

  function writerOf (facts: SessionFacts): FileWriter {
    let writer = writers.get(facts.id)
    if (!writer) writers.set(facts.id, writer = app.sandboxes.fileWriter(facts))
    return writer
  }

  app.decorate('codeUpdates', {
    async install (facts: SessionFacts, template: Template) {
      const writer = writerOf(facts)
      const { files } = app.templates.get(template.name)
      await writer.push('.', [
        { path: AUTHORITY_FILE, content: xAuthority(DISPLAY_NUMBER) },
        { path: 'profile/Default/Preferences', content: Buffer.from(PREFERENCES) },
        ...files.map(({ path, content }) => ({ path: `${template.sourceDir}/${path}`, content }))
      ])
    },
    async push (facts: SessionFacts, files: PushedFile[]) {
      const { sourceDir } = app.templates.get(facts.template)
      await writerOf(facts).push(sourceDir, toChanges(files))
      return app.registry.addVersion(facts.id)
    },
    stop (facts: SessionFacts) {
      writers.get(facts.id)?.stop()
      writers.delete(facts.id)
    }
  })
}

function toChanges (files: PushedFile[]): FileChange[] {
  const changes = files.map(toChange)
  const paths = new Set<string>()
  for (const { path } of changes) {
    if (paths.has(path)) throw failure('PATH_REPEATED', { details: { filePath: path } })
    paths.add(path)
  }
  return changes
}

function toChange (file: PushedFile): FileChange {
  const path = checkFilePath(file.filePath)
  if (file.delete) {
    if (file.content !== undefined) throw failure('BAD_REQUEST', { message: 'A file is either written or deleted: give content or delete', details: { filePath: path } })
    return { path }
  }
  if (file.content === undefined) throw failure('BAD_REQUEST', { message: 'The content is missing', details: { filePath: path } })
  const content = decode(file.content, file.encoding, path)
  if (content.length > FILE_BYTES) throw failure('TOO_LARGE', { details: { filePath: path } })
  return { path, content }
}

function decode (content: string, encoding: PushedFile['encoding'], path: string): Buffer {
  if (encoding !== 'base64') return Buffer.from(content)
  // Buffer passes over what is not base64; a person who sends something else should hear of it
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(content) || content.length % 4 !== 0) throw failure('BAD_ENCODING', { details: { filePath: path } })
  return Buffer.from(content, 'base64')
}

export default fp(codeUpdates, { name: 'code-updates', dependencies: ['sandboxes', 'registry', 'templates'] })
