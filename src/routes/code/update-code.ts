import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { CodeUpdate, CodeUpdated, UpdateQuery, type PushedFile } from '#schemas/code-update.ts'
import { errors } from '#schemas/common.ts'

const REQUEST_BYTES = 20 * 1024 * 1024

const updateCode: FastifyPluginAsyncTypebox = async app => {
  app.post('/updateCode', {
    bodyLimit: REQUEST_BYTES,
    config: { scope: 'push', session: 'ready', noted: 'session.pushed' },
    schema: {
      operationId: 'updateCode',
      summary: 'Writes files of the extension, all or none. Then the browser reloads the changed parts',
      description: 'The answer comes when the files are written, and the reload follows; with `wait`, it comes when the browser runs the pushed code, or cannot, and says which. The body is one of three forms: one file, one file as an editor of the original front end sends it, or many files.',
      tags: ['code'],
      body: CodeUpdate,
      querystring: UpdateQuery,
      response: { 200: CodeUpdated, ...errors(400, 413, 502, 503, 507) }
    }
  }, async request => {
    const { session, principal } = request
    const isAll = 'files' in request.body && request.body.sync === true
    const version = await app.codeUpdates.push(session, principal.user, toFiles(request.body), isAll)
    const finished = 'code' in request.body ? request.body.code.file_finished : undefined
    const outcome = request.body.wait || request.query.wait ? await app.codeUpdates.settled(session) : undefined
    return { success: true as const, message: 'Code updated', version, ...outcome, ...(finished !== undefined && { file_finished: finished }) }
  })
}

function toFiles (body: CodeUpdate): PushedFile[] {
  if ('files' in body) return body.files
  if ('code' in body) return [{ filePath: body.code.file_path, content: body.code.file_content }]
  return [{ filePath: body.filePath, content: body.content }]
}

export default updateCode
