import { execFileSync, spawn } from 'node:child_process'
import { chownSync, chmodSync } from 'node:fs'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { startPostgres } from '#support/storage/postgres.ts'
import { NOBODY, ownFolder } from '#support/storage/program.ts'
import { startRedis } from '#support/storage/redis.ts'

/** A certificate for 127.0.0.1, of its own authority, and its key, for a store's server. */
function certificate (t: Test): { cert: string, key: string } {
  const folder = ownFolder(t, 'tls')
  const [cert, key] = [`${folder}/cert.pem`, `${folder}/key.pem`]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=store', '-addext', 'subjectAltName=IP:127.0.0.1', '-out', cert, '-keyout', key], { stdio: 'ignore' })
  for (const file of [cert, key]) chownSync(file, NOBODY.uid, NOBODY.gid)
  chmodSync(key, 0o600)
  return { cert, key }
}

/** What a process that writes to the store prints first, or why it cannot. */
async function firstWords (t: Test, url: string, env: Record<string, string> = {}): Promise<string> {
  const child = spawn(process.execPath, ['test/fixtures/write-records.mts'], { env: { PATH: process.env.PATH, EX10_STORE: url, FOLDER: t.testdir(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const closed = once(child, 'close')
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', chunk => {
      text += chunk
      if (/^\d+\n/.test(text)) child.kill('SIGKILL')
    })
  }
  await closed
  return text
}

t.test('PostgreSQL is reached by TLS, and only where its certificate is good', async t => {
  const { cert, key } = certificate(t)
  const { url } = await startPostgres(t, { ssl: 'on', ssl_cert_file: cert, ssl_key_file: key })
  t.match(await firstWords(t, `${url}?sslmode=verify-full&sslrootcert=${cert}`), /^\d+\n/)
  t.match(await firstWords(t, `${url}?sslmode=verify-full`), /StartRefused: EX10_STORE=\S+ cannot be used: self-signed certificate/)
})

t.test('Redis is reached by TLS, and only where its certificate is good', async t => {
  const { cert, key } = certificate(t)
  const { url } = await startRedis(t, { 'tls-cert-file': cert, 'tls-key-file': key, 'tls-ca-cert-file': cert, 'tls-auth-clients': 'no' })
  t.match(await firstWords(t, url, { NODE_EXTRA_CA_CERTS: cert }), /^\d+\n/)
  t.match(await firstWords(t, url), /StartRefused: EX10_STORE=\S+ cannot be used: self-signed certificate/)
})
