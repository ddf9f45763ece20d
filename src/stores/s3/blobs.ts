import { randomBytes } from 'node:crypto'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { DeleteObjectCommand, DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand, paginateListObjectsV2, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { nameOfBlob, type BlobStore } from '#domain/storage/blob-store.ts'
import { failure } from '#errors.ts'
import { bucketClient, refusal, statusOf, type Bucket } from './bucket.ts'

export { bucketAt } from './bucket.ts'

/** How long the first write, at the start of a server, may take. */
const PROBE_MS = 15_000
/** A longer content is sent in parts of this size, because S3 takes no content of unknown length. */
const PART_BYTES = 8 * 1024 * 1024

/**
 * Keeps blobs in a bucket, as `PREFIX/scope/id`. Nothing else may write below the prefix. Methods reject with EX10_STORE_UNAVAILABLE
 * when the bucket does not answer, or refuses.
 * @throws {StartRefused} when the bucket cannot be reached or written
 */
export async function bucketBlobs (bucket: Bucket): Promise<BlobStore> {
  const client = bucketClient(bucket)
  try {
    return blobsIn(client, bucket, await mayRefuseChanges(client, bucket))
  } catch (error) {
    client.destroy()
    throw refusal(bucket, error)
  }
}

/** Writes and deletes an object. Resolves with whether the server can refuse to overwrite one: some do not know how. */
async function mayRefuseChanges (client: S3Client, { name, prefix }: Bucket): Promise<boolean> {
  const object = { Bucket: name, Key: `${prefix}probe-${randomBytes(6).toString('hex')}` }
  const options = { abortSignal: AbortSignal.timeout(PROBE_MS) }
  const put = (condition: object) => client.send(new PutObjectCommand({ ...object, ...condition, Body: 'a server started' }), options)
  const may = await put({ IfNoneMatch: '*' }).then(() => true, async error => {
    if (statusOf(error) !== 501) throw error
    await put({})
    return false
  })
  await client.send(new DeleteObjectCommand(object), options)
  return may
}

function blobsIn (client: S3Client, { name: Bucket, prefix }: Bucket, mayRefuseChanges: boolean): BlobStore {
  const folderOf = (scope: string) => `${prefix}${nameOfBlob(scope)}/`
  const objectOf = (scope: string, id: string) => ({ Bucket, Key: folderOf(scope) + nameOfBlob(id) })

  async function sizeOf (object: ReturnType<typeof objectOf>): Promise<number | undefined> {
    const found = await client.send(new HeadObjectCommand(object)).catch(undefinedIfMissing)
    return found && (found.ContentLength ?? 0)
  }

  async function * pagesOf (scope: string): AsyncGenerator<{ id: string, bytes: number }[], void, undefined> {
    const Prefix = folderOf(scope)
    for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket, Prefix })) {
      if (Contents.length > 0) yield Contents.map(({ Key = '', Size = 0 }) => ({ id: Key.slice(Prefix.length), bytes: Size }))
    }
  }

  return {
    async put (scope, id, content, signal) {
      const object = objectOf(scope, id)
      const there = await orAway(sizeOf(object))
      if (there !== undefined) return there
      let bytes = 0
      const body = new Transform({
        transform (piece, _, done) {
          bytes += piece.length
          done(null, piece)
        }
      })
      pipeline(content instanceof Uint8Array ? [content] : content, body, { signal }).catch(() => {}) // body.errored has the error
      const upload = new Upload({ client, params: { ...object, ...mayRefuseChanges && { IfNoneMatch: '*' }, Body: body }, partSize: PART_BYTES, queueSize: 2 })
      try {
        await upload.done() // rejects once the parts that were sent are removed; with an abort controller of its own, it would not wait for that
        return bytes
      } catch (error) {
        if (body.errored) throw body.errored
        const other = statusOf(error) === 412 ? await orAway(sizeOf(object)) : undefined // another writer was faster
        if (other === undefined) throw away(error)
        return other
      } finally {
        body.destroy()
      }
    },
    async get (scope, id) {
      const found = await orAway(client.send(new GetObjectCommand(objectOf(scope, id))).catch(undefinedIfMissing))
      return found?.Body as Readable | undefined
    },
    list: async scope => (await orAway(Array.fromAsync(pagesOf(scope)))).flat(),
    async delete (scope, id) {
      await orAway(client.send(new DeleteObjectCommand(objectOf(scope, id))))
    },
    async drop (scope) {
      await orAway((async () => {
        for await (const page of pagesOf(scope)) {
          const { Errors: [first] = [] } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: page.map(({ id }) => ({ Key: objectOf(scope, id).Key })), Quiet: true } }))
          if (first) throw new Error(`an object was not deleted: ${first.Code}`)
        }
      })())
    },
    async scopes () {
      const pages = await orAway(Array.fromAsync(paginateListObjectsV2({ client }, { Bucket, Prefix: prefix, Delimiter: '/' })))
      return pages.flatMap(({ CommonPrefixes = [] }) => CommonPrefixes.map(({ Prefix = '' }) => Prefix.slice(prefix.length, -1)))
    },
    async close () {
      client.destroy()
    }
  }
}

function undefinedIfMissing (error: Error): undefined {
  if (statusOf(error) !== 404 || error.name === 'NoSuchBucket') throw error
}

async function orAway<Answer> (answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer
  } catch (error) {
    throw away(error)
  }
}

function away (cause: unknown): Error {
  return failure('STORE_UNAVAILABLE', { cause })
}
