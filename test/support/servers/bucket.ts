import { CreateBucketCommand, DeleteBucketCommand } from '@aws-sdk/client-s3'
import { buildApp } from 'fauxqs'
import { bucketClient } from '#stores/s3/bucket.ts'

export interface BucketServer {
  /** Its address, for EX10_BLOBS_ENDPOINT. */
  endpoint: string
  /** Makes an empty bucket. */
  make (name: string): Promise<void>
  /** Deletes the bucket. Rejects when it holds anything, also a part of an upload that was neither finished nor aborted. */
  remove (name: string): Promise<void>
  stop (): Promise<void>
}

/** Credentials that this S3 server accepts, as it accepts all. */
export const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'ex10', AWS_SECRET_ACCESS_KEY: 'not-secret' }

/** Starts an S3 server on 127.0.0.1, which keeps its buckets in memory, and sets the credentials of this process. */
export async function startBucketServer (port = 0): Promise<BucketServer> {
  Object.assign(process.env, CREDENTIALS)
  const server = buildApp({ logger: false })
  const endpoint = await server.listen({ port, host: '127.0.0.1' })
  const client = bucketClient({ name: '', prefix: '', endpoint, region: '' })
  return {
    endpoint,
    make: async Bucket => { await client.send(new CreateBucketCommand({ Bucket })) },
    remove: async Bucket => { await client.send(new DeleteBucketCommand({ Bucket })) },
    async stop () {
      client.destroy()
      await server.close()
    }
  }
}
