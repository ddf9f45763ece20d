import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { ARCHIVE_BYTES, looksLikeArchive } from '#domain/code/archive-names.ts'
import { Budget } from '#domain/http/budget.ts'
import { failure } from '#errors.ts'
import { keepUpload, makeUploadFolder } from '#system/code/upload.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Uploaded archives of new sessions, kept until those sessions are made. */
    uploads: {
      /**
       * Keeps an archive of the user; `bytes` is its size, if known, and `looksRight` judges its first bytes. The kept archive must be released.
       * @throws {Ex10Error} EX10_OVERLOADED, EX10_ARCHIVE_UNKNOWN, EX10_NO_DISK; errors of the content
       */
      keep (user: string, content: AsyncIterable<Uint8Array>, bytes?: number, looksRight?: (head: Buffer) => boolean): Promise<KeptArchive>
    }
  }
}

export interface KeptArchive { archive: () => AsyncIterable<Uint8Array>, release: () => void }

const ALL_BYTES = 8 * ARCHIVE_BYTES
const EACH_BYTES = 2 * ARCHIVE_BYTES

async function uploads (app: FastifyInstance): Promise<void> {
  const folder = app.instance.folder.uploads
  const budget = new Budget(ALL_BYTES, EACH_BYTES)
  await makeUploadFolder(folder)

  app.decorate('uploads', {
    async keep (user, content, bytes = ARCHIVE_BYTES, looksRight = looksLikeArchive) {
      const giveBack = budget.take(user, bytes)
      if (!giveBack) throw failure('OVERLOADED', { message: 'The server takes as many archives as it can: try again in a second', retryAfterSeconds: 1 })
      try {
        const upload = await keepUpload(folder, content)
        const release = () => {
          upload.release().catch(err => app.log.error({ err }, 'upload not closed'))
          giveBack()
        }
        if (looksRight(upload.head)) return { archive: upload.content, release }
        release()
        throw failure('ARCHIVE_UNKNOWN')
      } catch (error) {
        giveBack()
        throw error
      }
    }
  } satisfies FastifyInstance['uploads'])
}

export default fp(uploads, { name: 'uploads', dependencies: ['instance'] })
