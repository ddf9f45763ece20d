import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { Signer } from '#domain/access/signer.ts'
import { OwnSecrets, rotateSecret } from '#system/instance/own-secret.ts'

const EVER = new Date(0)

t.test('the first start makes a secret that only root can read, and that of an earlier version stays in use', async t => {
  const file = `${t.testdir()}/cookie-secret`
  const [secret] = new OwnSecrets(file).since(EVER)
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.strictSame(new OwnSecrets(file).since(EVER), [secret])
  writeFileSync(file, 'written-by-an-earlier-version')
  t.strictSame(new OwnSecrets(file).since(EVER), ['written-by-an-earlier-version'])
})

t.test('after a rotation the new secret signs, and the retired one verifies for as long as it is wanted', async t => {
  const file = `${t.testdir()}/cookie-secret`
  const running = new OwnSecrets(file)
  const [old] = running.since(EVER)
  const signer = new Signer(() => running.since(EVER), 'a purpose')
  const signed = signer.sign('session', 'text')
  const before = new Date(Date.now() - 1)
  rotateSecret(file, EVER)
  await delay(1100)
  const [fresh, ...retired] = running.since(before)
  t.not(fresh, old)
  t.strictSame(retired, [old])
  t.strictSame(new OwnSecrets(file).since(before), [fresh, old], 'the next server has both, too')
  t.strictSame(running.since(new Date()), [fresh], 'later, the retired one is good for nothing')
  t.equal(signer.read(signed, 'session'), 'text')
  t.equal(signer.read(signer.sign('session', 'new'), 'session'), 'new')
  t.not(signer.sign('session', 'text'), signed)
  t.equal(new Signer(() => running.since(new Date()), 'a purpose').read(signed, 'session'), undefined)
  rmSync(file)
  await delay(1100)
  t.strictSame(running.since(before), [fresh, old], 'a lost file takes none away')
})

t.test('secrets that were retired long ago leave the file at the next rotation', async t => {
  const file = `${t.testdir()}/cookie-secret`
  writeFileSync(file, 'used\nretired 2026-01-02T00:00:00.000Z\nlong-ago 2025-01-01T00:00:00.000Z\n')
  rotateSecret(file, new Date('2026-01-01'))
  t.match(readFileSync(file, 'utf8'), /^[\w-]{43}\nused \S+Z\nretired 2026-01-02T00:00:00.000Z\n$/)
})
