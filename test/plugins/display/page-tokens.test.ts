import t, { type Test } from 'tap'
import type { Credential, CredentialKind, Visitor } from '#domain/access/credential.ts'
import type { Share } from '#domain/access/share.ts'
import type { Session } from '#domain/session.ts'
import { failure } from '#errors.ts'
import secrets from '#plugins/access/secrets.ts'
import pageTokens from '#plugins/display/page-tokens.ts'
import { dataFolderAt } from '#system/instance/data-folder.ts'
import { bareApp } from '#support/bare-app.ts'

const [SESSION, OTHER] = ['a'.repeat(32), 'b'.repeat(32)]
const FROM = { fingerprint: 'a browser', address: '192.0.2.1' }

/**
 * Functions stand in for the plugins `credentials` and `sessions`: credentials in `gone` hold no longer, sessions in
 * `ended` have ended.
 */
async function withTokens (t: Test, dataDir = t.testdir()) {
  const gone = new Set<string>()
  const ended = new Set<string>()
  const find = (kind: CredentialKind, id = ''): Credential => ({ kind, id, opener: async () => undefined, holds: async () => !gone.has(id) })
  function get (id: string): Session {
    if (ended.has(id)) throw failure('SESSION_NOT_FOUND')
    return { id } as Session
  }
  const app = await bareApp(t, [secrets, pageTokens], { standIns: { instance: { folder: dataFolderAt(dataDir) }, registry: { live: () => [] }, credentials: { find }, sessions: { get } } })
  const visitorBy = (kind: CredentialKind, id: string, mode?: Share['mode']): Visitor =>
    ({ address: FROM.address, credential: find(kind, id), ...(mode && { share: { mode } as Share }) })
  return { tokens: app.pageTokens, visitorBy, gone, ended }
}

t.test('a page\'s token tells which credential opened it, and whether it may only look', async t => {
  const { tokens, visitorBy } = await withTokens(t)
  t.match(await tokens.check(tokens.issue(SESSION, visitorBy('login', 'anna')), SESSION, FROM), { mode: 'control', credential: { kind: 'login', id: 'anna' } })
  t.match(await tokens.check(tokens.issue(SESSION, visitorBy('share', 'link', 'view')), SESSION, FROM), { mode: 'view', credential: { kind: 'share', id: 'link' } })
})

t.test('a token is good for its own session only, and nobody can forge or change one', async t => {
  const { tokens, visitorBy } = await withTokens(t)
  const token = tokens.issue(SESSION, visitorBy('share', 'link', 'view'))
  await t.rejects(tokens.check(token, OTHER, FROM), { code: 'EX10_SESSION_NOT_FOUND' })
  const [mac, text] = token.split('.')
  const says = Buffer.from(text!, 'base64url').toString()
  const saying = (text: string) => `${mac}.${Buffer.from(text).toString('base64url')}`
  t.equal(saying(says), token, 'control')
  for (const forged of [saying(says.replace('view', 'control')), saying(says.replace('share', 'none')), saying('none'), saying(''), token.slice(1), token + '.', `.${text}`, '.', '']) {
    await t.rejects(tokens.check(forged, SESSION, FROM), { code: 'EX10_SESSION_NOT_FOUND' }, JSON.stringify(forged))
  }
})

t.test('a page that is open while the server restarts comes back to it, and to no other server', async t => {
  const folder = t.testdir()
  const before = await withTokens(t, folder)
  const token = before.tokens.issue(SESSION, before.visitorBy('key', 'anna'))
  t.match(await (await withTokens(t, folder)).tokens.check(token, SESSION, FROM), { credential: { id: 'anna' } })
  await t.test('another server', async t => {
    const { tokens } = await withTokens(t)
    await t.rejects(tokens.check(token, SESSION, FROM), { code: 'EX10_SESSION_NOT_FOUND' })
  })
})

t.test('a page reads why it is over: its link or login has ended, or the session itself', async t => {
  const { tokens, visitorBy, gone, ended } = await withTokens(t)
  const [byLink, byLogin] = [tokens.issue(SESSION, visitorBy('share', 'link', 'view')), tokens.issue(SESSION, visitorBy('login', 'anna'))]
  gone.add('link').add('anna')
  await t.rejects(tokens.check(byLink, SESSION, FROM), { code: 'EX10_SHARE_NOT_FOUND' })
  await t.rejects(tokens.check(byLogin, SESSION, FROM), { code: 'EX10_UNAUTHENTICATED' })
  ended.add(SESSION) // and its links with it
  await t.rejects(tokens.check(byLink, SESSION, FROM), { code: 'EX10_SESSION_NOT_FOUND' })
})
