import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import type { Principal } from '#domain/principal.ts'
import type { Session } from '#domain/session.ts'
import { failure } from '#errors.ts'
import routeSessions from '#plugins/sessions/route-sessions.ts'
import { bareApp } from '#support/bare-app.ts'

const ANNA: Principal = { user: 'anna', role: 'user', scopes: ['view'] }
const ADA: Principal = { user: 'ada', role: 'admin', scopes: ['view', 'admin'] }
const SESSIONS = [{ id: 'a', owner: 'anna', state: 'ready' }, { id: 'b', owner: 'anna', state: 'creating' }] as Session[]

/** The plugin with routes of every kind; `seen` is what reached the clocks, the audit log and the handlers. */
async function withRoutes (t: Test, principal = ANNA) {
  const seen: string[] = []
  const find = (_principal: Principal, id: string) => {
    const session = SESSIONS.find(session => session.id === id)
    if (!session) throw failure('SESSION_NOT_FOUND')
    return session
  }
  const app = await bareApp(t, [fp(async app => {
    app.decorateRequest('principal')
    app.decorateRequest('note', async function (deed) { seen.push(`noted ${JSON.stringify(deed)}`) })
    app.addHook('onRequest', async request => { request.principal = principal })
  }), routeSessions], {
    standIns: {
      auditLog: {},
      expiry: { saw: id => { seen.push(`used ${id}`) } },
      rights: {
        session: find,
        readySession (principal, id) {
          const session = find(principal, id)
          if (session.state !== 'ready') throw failure('SESSION_NOT_READY')
          return session
        }
      }
    }
  })
  const handler = async ({ session }: { session: Session }) => {
    seen.push('handled')
    return { id: session?.id }
  }
  app.get('/known/:id', { config: { scope: 'view', session: 'known' } }, handler)
  app.get('/used/:id', { config: { scope: 'view', session: 'ready', counts: 'use' } }, handler)
  app.get('/viewed/:id', { config: { scope: 'view', session: 'ready', noted: 'session.viewed' } }, handler)
  app.get('/shared/:id', { config: { scope: 'view', session: 'ready', noted: 'share.created' } }, handler)
  app.post('/pushed', { config: { scope: 'push', session: 'ready' } }, handler)
  app.get('/other/:id', { config: { scope: 'view' } }, handler)
  const ask = async (url: string, sessionId?: string) => {
    const answer = await app.inject({ url, headers: { host: 'localhost' }, ...(sessionId && { method: 'POST', payload: { sessionId } }) })
    return { status: answer.statusCode, body: answer.json() }
  }
  return { ask, seen }
}

t.test('the session that a request names, in its path or its body, is the handler\'s; a request that names none is refused before it', async t => {
  const { ask, seen } = await withRoutes(t)
  t.match(await ask('/known/b'), { status: 200, body: { id: 'b' } }, 'one that is not ready, where that is enough')
  t.match(await ask('/pushed', 'a'), { status: 200, body: { id: 'a' } })
  t.match(await ask('/other/a'), { status: 200, body: {} }, 'a route that is about no session has none')
  seen.length = 0
  t.match(await ask('/known/none'), { status: 404, body: { code: 'EX10_SESSION_NOT_FOUND' } })
  t.match(await ask('/pushed', 'none'), { status: 404 })
  t.match(await ask('/used/b'), { status: 409, body: { code: 'EX10_SESSION_NOT_READY' } })
  t.strictSame(seen, [], 'nothing was handled, used or noted')
})

t.test('a request counts as use where its route says so, and nowhere else', async t => {
  const { ask, seen } = await withRoutes(t)
  await ask('/used/a')
  t.strictSame(seen, ['used a', 'handled'])
  seen.length = 0
  for (const path of ['known', 'viewed', 'shared', 'other']) await ask(`/${path}/a`)
  t.strictSame(seen, ['handled', 'handled', 'handled', 'handled'])
})

t.test('that an admin looks at another user\'s session is noted, before it is handled; other deeds are their handlers\' to note', async t => {
  const { ask, seen } = await withRoutes(t, ADA)
  await ask('/viewed/a')
  t.strictSame(seen, ['noted {"target":"a","details":{"owner":"anna"}}', 'handled'])
  seen.length = 0
  await ask('/shared/a')
  t.strictSame(seen, ['handled'])
})
