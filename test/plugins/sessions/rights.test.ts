import t from 'tap'
import { LOCAL_USER, SCOPES, type Principal } from '#domain/principal.ts'
import type { Session } from '#domain/session.ts'
import { failure } from '#errors.ts'
import rights from '#plugins/sessions/rights.ts'
import { bareApp } from '#support/bare-app.ts'

const ANNA: Principal = { user: 'anna', role: 'user', scopes: ['view'] }
const BEN: Principal = { user: 'ben', role: 'user', scopes: ['view'] }
const ADMIN: Principal = { user: 'ada', role: 'admin', scopes: SCOPES }

const READY = { id: 'a'.repeat(32), owner: 'anna', state: 'ready' } as Session
const MAKING = { id: 'b'.repeat(32), owner: 'anna', state: 'creating' } as Session
const LOCALS = { id: 'c'.repeat(32), owner: LOCAL_USER, state: 'ready' } as Session
const UNKNOWN = 'f'.repeat(32)

/** Stands in for the plugin `sessions`. */
function sessionsOf (all: Session[]) {
  const get = (id: string) => all.find(session => session.id === id) ?? (() => { throw failure('SESSION_NOT_FOUND') })()
  return {
    get,
    list: () => all,
    ready (id: string) {
      if (get(id).state !== 'ready') throw failure('SESSION_NOT_READY')
      return get(id)
    }
  }
}

const withRights = (t: Parameters<typeof bareApp>[0]) => bareApp(t, [rights], { standIns: { sessions: sessionsOf([READY, MAKING, LOCALS]) } })

t.test('a session is found by its owner and by admins; for others it is as one that never was', async t => {
  const app = await withRights(t)
  app.get<{ Params: { id: string }, Querystring: { user: string } }>('/:id', ({ params, query }) =>
    app.rights.session([ANNA, BEN, ADMIN].find(({ user }) => user === query.user)!, params.id))
  const ask = async (user: string, id: string) => (await app.inject(`/${id}?user=${user}`)).json()
  t.match(await ask('anna', READY.id), { id: READY.id })
  t.match(await ask('ada', READY.id), { id: READY.id })
  t.match(await ask('ben', READY.id), { statusCode: 404, code: 'EX10_SESSION_NOT_FOUND' })
  t.strictSame(await ask('ben', READY.id), await ask('ben', UNKNOWN), 'to the letter')
})

t.test('nobody learns in what state another user\'s session is', async t => {
  const { rights } = await withRights(t)
  t.throws(() => rights.readySession(ANNA, MAKING.id), { code: 'EX10_SESSION_NOT_READY' })
  t.throws(() => rights.readySession(BEN, MAKING.id), { code: 'EX10_SESSION_NOT_FOUND' })
  t.equal(rights.readySession(ANNA, READY.id).id, READY.id)
})

t.test('a user\'s list has their own sessions, an admin\'s all of them', async t => {
  const { rights } = await withRights(t)
  const listed = (principal: Principal) => rights.sessions(principal).map(({ id }) => id)
  t.strictSame(listed(ANNA), [READY.id, MAKING.id])
  t.strictSame(listed(BEN), [])
  t.strictSame(listed(ADMIN), [READY.id, MAKING.id, LOCALS.id])
})

t.test('an admin whose key is not good for administration finds no more than other users', async t => {
  const { rights } = await withRights(t)
  const weak: Principal = { ...ADMIN, scopes: ['view'] }
  t.throws(() => rights.session(weak, READY.id), { code: 'EX10_SESSION_NOT_FOUND' })
  t.strictSame(rights.sessions(weak), [])
})
