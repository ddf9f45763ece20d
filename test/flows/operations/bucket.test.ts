import t from 'tap'
import { lightDisplay } from '#support/display/light-display.ts'
import { CREDENTIALS, startBucketServer } from '#support/servers/bucket.ts'
import { ask } from '#support/servers/client.ts'
import { assertEndsClean, refusalOf, serve } from '#support/servers/creation.ts'
import { createSession, endSession, eventually, pushCode, testEnv } from '#support/servers/server.ts'
import { bucketAt, bucketBlobs } from '#stores/s3/blobs.ts'

t.test('with a bucket, the versions of a session\'s code are kept there, sealed, and leave it with the session', async t => {
  const bucket = await startBucketServer()
  t.teardown(() => bucket.stop())
  await bucket.make('ex10')
  const settings = { ...lightDisplay(), ...CREDENTIALS, EX10_BLOBS: 's3://ex10/server-1', EX10_BLOBS_ENDPOINT: bucket.endpoint, EX10_RECOVERY_WINDOW: '0' }
  const server = await serve(t, settings)
  const { id } = await createSession(server)
  const content = 'a text that nobody else may read'
  t.equal((await pushCode(server, { sessionId: id, filePath: 'secret.txt', content })).status, 200)
  await eventually('the version', async () => (await ask(server, `/sessions/${id}/versions`)).body.versions.some(({ version, kept }: { version: number, kept: boolean }) => version === 1 && kept))
  t.match(await ask(server, `/sessions/${id}/versions/1/files/secret.txt`), { status: 200 })

  const blobs = await bucketBlobs(bucketAt('s3://ex10/server-1', bucket.endpoint, ''))
  t.teardown(() => blobs.close())
  t.strictSame(await blobs.scopes(), [id])
  const kept = await blobs.list(id)
  t.ok(kept.length > 3, `${kept.length} blobs`)
  for (const blob of kept) t.notOk(Buffer.concat(await (await blobs.get(id, blob.id))!.toArray()).includes(content), 'nothing of it can be read in the bucket')

  t.equal((await endSession(server, id)).status, 200)
  await eventually('an empty bucket', async () => (await blobs.scopes()).length === 0)
  t.notMatch(server.output(), CREDENTIALS.AWS_SECRET_ACCESS_KEY, 'the log does not have the credentials')
  await assertEndsClean(t, server)
  await bucket.remove('ex10')
})

t.test('a server that cannot write to its bucket says why in one line, and does not start', async t => {
  const bucket = await startBucketServer()
  const env = testEnv({ ...CREDENTIALS, EX10_BLOBS: 's3://none/ex10', EX10_BLOBS_ENDPOINT: bucket.endpoint })
  t.equal(await refusalOf(env), 'the server ended with 1: ex10: EX10_BLOBS=s3://none/ex10/ cannot be used: there is no bucket none; make it, or correct the name\n')
  await bucket.stop()
  t.equal(await refusalOf(env), `the server ended with 1: ex10: EX10_BLOBS=s3://none/ex10/ cannot be used: ${bucket.endpoint} does not answer (ECONNREFUSED); check EX10_BLOBS_ENDPOINT and the network\n`)
})
