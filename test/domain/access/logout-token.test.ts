import t from 'tap'
import { readLogoutToken } from '#domain/access/logout-token.ts'

const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
const claims = { jti: 'j', sub: 'anna', sid: 's', events }

t.test('a logout token says whose logins end: of one session, or of a person', async t => {
  t.strictSame(readLogoutToken(claims), { jti: 'j', subject: 'anna', sid: 's' })
  t.strictSame(readLogoutToken({ ...claims, sid: undefined }), { jti: 'j', subject: 'anna' })
  t.strictSame(readLogoutToken({ ...claims, sub: undefined }), { jti: 'j', sid: 's' })
})

t.test('what is no logout token ends nothing', async t => {
  const wrong: object[] = [
    { nonce: 'n' }, { events: undefined }, { events: {} }, { events: Object.keys(events)[0] }, { events: Object.keys(events) }, { events: { [Object.keys(events)[0]!]: true } },
    { jti: undefined }, { jti: 7 }, { jti: '' }, { sub: undefined, sid: undefined }, { sub: '', sid: '' }, { sub: null }, { sid: 7 }, { sub: ['anna'] }
  ]
  for (const change of wrong) t.equal(readLogoutToken({ ...claims, ...change }), undefined, JSON.stringify(change))
})
