import t from 'tap'
import { whyLoggedOut, type Login } from '#domain/access/login.ts'
import { scopesOf } from '#domain/access/api-key.ts'

const from = { fingerprint: 'f', address: '192.0.2.1' }
const login: Login = { principal: { user: 'anna', role: 'user', scopes: scopesOf('user') }, keyId: 'k', createdAt: new Date(0), seenAt: new Date(5000), ...from }
const limits = { idleSeconds: 10, absoluteSeconds: 60, bound: [] }

t.test('a login holds while it is neither old nor idle, to the second', async t => {
  t.equal(whyLoggedOut(login, from, limits, new Date(14_999)), undefined)
  t.equal(whyLoggedOut(login, from, limits, new Date(15_000)), 'idle')
  t.equal(whyLoggedOut({ ...login, seenAt: new Date(59_000) }, from, limits, new Date(59_999)), undefined)
  t.equal(whyLoggedOut({ ...login, seenAt: new Date(59_000) }, from, limits, new Date(60_000)), 'too-old')
})

t.test('one that is tied to its browser or its address ends elsewhere; one that is not goes along', async t => {
  const elsewhere = { fingerprint: 'g', address: '192.0.2.2' }
  const why = (bound: ('fingerprint' | 'ip')[], at: Partial<typeof from>) => whyLoggedOut(login, { ...from, ...at }, { ...limits, bound }, new Date(6000))
  t.equal(why([], elsewhere), undefined)
  t.equal(why(['fingerprint'], { fingerprint: 'g' }), 'elsewhere')
  t.equal(why(['fingerprint'], { address: elsewhere.address }), undefined)
  t.equal(why(['ip'], { address: elsewhere.address }), 'elsewhere')
})
