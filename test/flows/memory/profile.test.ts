import { execFileSync } from 'node:child_process'
import { globSync } from 'node:fs'
import t, { type Test } from 'tap'
import { as, keysCommand } from '#support/access/keys.ts'
import { openDevTools, type Tab } from '#support/display/devtools.ts'
import { inside } from '#support/sandbox.ts'
import { ask } from '#support/servers/client.ts'
import { next, serve } from '#support/servers/creation.ts'
import { pastEvents } from '#support/servers/events.ts'
import { createSession, endSession, eventually, type CreatedSession, type Server } from '#support/servers/server.ts'

const PAGE = 'http://shop.test/'
const OPEN = `new Promise((resolve, reject) => {
  const opening = indexedDB.open('shop', 1)
  opening.onupgradeneeded = () => opening.result.createObjectStore('goods')
  opening.onsuccess = () => resolve(opening.result)
  opening.onerror = () => reject(opening.error)
})`
/** Has the page keep this value in all of its stores. */
const keep = (value: string) => `(async () => {
  document.cookie = 'basket=${value}; max-age=86400'
  localStorage.setItem('basket', '${value}')
  const database = await ${OPEN}
  await new Promise((resolve, reject) => {
    const writing = database.transaction('goods', 'readwrite', { durability: 'strict' })
    writing.objectStore('goods').put('${value}', 'basket')
    writing.oncomplete = resolve
    writing.onerror = reject
  })
  database.close()
  return true
})()`
const KEPT = `(async () => {
  const database = await ${OPEN}
  const indexed = await new Promise(resolve => {
    const reading = database.transaction('goods').objectStore('goods').get('basket')
    reading.onsuccess = () => resolve(reading.result ?? null)
  })
  database.close()
  return { cookie: document.cookie, local: localStorage.getItem('basket'), indexed }
})()`
const NOTHING = { cookie: '', local: null, indexed: null }

async function shopOf (t: Test, server: Server, session: CreatedSession): Promise<Tab> {
  const tab = await (await openDevTools(t, server, session)).openTab()
  await tab.visit(PAGE, '<title>Shop</title>')
  return tab
}

/** The tab of the dev server's page. */
async function startTabOf (t: Test, server: Server, session: CreatedSession): Promise<Tab> {
  const devTools = await openDevTools(t, server, session)
  const target = await eventually('the start page', async () => (await devTools.targets()).find(({ type, url }) => type === 'page' && url.startsWith('http://localhost:')), 30_000)
  return await devTools.attach(target.targetId)
}

async function recover (server: Server, id: string): Promise<CreatedSession> {
  const { body: { token } } = await ask(server, `/recoverable/${id}/token`, { method: 'POST' })
  const { status, body } = await ask(server, '/recover', { method: 'POST', body: { token }, headers: { accept: 'application/json' } })
  if (status !== 201) throw new Error(`not back: ${JSON.stringify(body)}`)
  return { id: body.sessionId, url: `${server.url}/session/${body.sessionId}/`, lines: [] }
}

const profilesOf = ({ dataDir }: Server, id: string) => globSync(`${dataDir}/blobs/${id}.snapshot/profile-*`)
const recoverable = async (server: Server) => (await ask(server, '/recoverable')).body.sessions as { sessionId: string, profile?: string }[]

t.test('With profile=1, what the pages of a browser have kept comes back with their session', async t => {
  const first = await serve(t, { EX10_AUTH: 'keys', EX10_RECOVERY_INTERVAL: '1' })
  const [anna, ben] = await Promise.all(['anna', 'ben'].map(async name => as(first, await keysCommand(first, 'create', '--user', name)))) as [Server, Server]
  const [kept, plain] = await Promise.all([createSession(anna, '?profile=1'), createSession(anna)])
  t.match([(await ask(anna, `/sessions/${kept.id}`)).body.keepsProfile, (await ask(anna, `/sessions/${plain.id}`)).body.keepsProfile], [true, undefined])
  const shop = await shopOf(t, anna, kept)
  t.equal(await (await shopOf(t, anna, plain)).evaluate(keep('plain')), true)

  await t.test('the browser goes on while points are taken, and its supervision sees nothing', async t => {
    let last: string[] = []
    for (const round of ['one', 'two', 'three', 'full']) {
      t.equal(await shop.evaluate(keep(round)), true)
      await ask(anna, `/sessions/${kept.id}/state/ui_state/round`, { method: 'PUT', body: JSON.stringify(round) }) // a use of the session
      last = await eventually('a point with another profile', async () => {
        const now = profilesOf(first, kept.id)
        return now.length === 1 && now[0] !== last[0] ? now : undefined
      }, 20_000)
      t.match(await shop.evaluate(KEPT), { local: round, indexed: round }, 'the page answers')
    }
    t.strictSame((await pastEvents(anna, kept.id)).map(({ type }) => type).filter(type => /^(service|degraded|recovered)/.test(type)), [])
    t.strictSame(profilesOf(first, plain.id), [], 'a session without the option keeps none')
  })

  await (await startTabOf(t, anna, kept)).evaluate('localStorage.setItem("own", "mine")')
  const archive = await fetch(`${first.url}/sessions/${kept.id}/snapshot`, { headers: anna.headers! })
  const names = execFileSync('tar', ['-tzf', '-'], { input: Buffer.from(await archive.arrayBuffer()) }).toString().split('\n').filter(name => !name.startsWith('code/'))
  t.strictSame(names.filter(Boolean).toSorted(), ['session.json', 'state.json', 'storage.json'], 'an archive of the session has no profile')
  const { facts: { slot } } = await inside(t, anna, kept)

  await first.stop()
  const second = await next(t, first)
  const [annaThen, benThen] = [anna, ben].map(({ headers }) => ({ ...second, headers: headers! })) as [Server, Server]
  const offered = (await recoverable(annaThen)).map(({ sessionId, profile }) => [sessionId, profile])
  t.strictSame(Object.fromEntries(offered), { [kept.id]: 'kept', [plain.id]: undefined })

  let back: CreatedSession
  await t.test('after an end by the server: also what the browser had only in memory, and the storage of the dev server\'s pages', async t => {
    t.match(await ask(benThen, `/recoverable/${kept.id}/token`, { method: 'POST' }), { status: 404 }, 'another user gets no token')
    const { body: { token } } = await ask(annaThen, `/recoverable/${kept.id}/token`, { method: 'POST' })
    t.match(await ask(benThen, '/recover', { method: 'POST', body: { token } }), { status: 404 }, 'nor does a token help another user')
    back = await recover(annaThen, kept.id)
    t.strictSame(await (await shopOf(t, annaThen, back)).evaluate(KEPT), { cookie: 'basket=full', local: 'full', indexed: 'full' })
    t.equal((await inside(t, annaThen, back)).facts.slot.devServerPort, slot.devServerPort, 'the dev server has its port again')
    const start = await startTabOf(t, annaThen, back)
    t.equal(await eventually('the storage of the start page', () => start.evaluate('localStorage.getItem("own")')), 'mine')
    t.equal((await ask(annaThen, `/sessions/${back.id}`)).body.keepsProfile, true)
  })

  await t.test('after a crash: as the last point had it', async t => {
    await eventually('a point with the profile', () => profilesOf(second, back.id).length > 0, 40_000)
    process.kill((await inside(t, annaThen, back)).init, 'SIGKILL')
    await eventually('its end', async () => (await recoverable(annaThen)).some(({ sessionId }) => sessionId === back.id), 20_000)
    const again = await recover(annaThen, back.id)
    t.strictSame(await (await shopOf(t, annaThen, again)).evaluate(KEPT), { cookie: 'basket=full', local: 'full', indexed: 'full' })
    await endSession(annaThen, again.id)
    t.strictSame(globSync(`${second.dataDir}/blobs/${again.id}*`), [], 'after a delete, nothing is left')
  })

  await t.test('without the option, they come back empty', async t => {
    t.strictSame(await (await shopOf(t, annaThen, await recover(annaThen, plain.id))).evaluate(KEPT), NOTHING)
  })
})
