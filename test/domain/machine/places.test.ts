import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { limitsOf, Places, type Limits, type Waiter } from '#domain/machine/places.ts'

/** Notes what it hears. */
class Client implements Waiter {
  readonly id: string
  readonly owner: string
  isAttended = true
  position = 0
  state: 'waits' | 'admitted' | 'displaced' = 'waits'
  constructor (id: string, owner: string) {
    this.id = id
    this.owner = owner
  }

  stands (position: number) { this.position = position }
  admit () { this.state = 'admitted' }
  displace () { this.state = 'displaced' }
}

/** Takes a place, or joins the line. */
function ask (places: Places, id: string, owner = id.charAt(0)): Client {
  const client = new Client(id, owner)
  if (!places.take(client)) client.admit()
  else if (!places.join(client)) client.displace()
  return client
}

t.test('nothing that is set leaves as many places as there are slots, and no limit of one user where nobody logs in', async t => {
  const slots = 20
  t.strictSame(limitsOf({ slots, maxSessions: 0, maxSessionsPerUser: 0 }, false), { total: 20, perUser: Infinity })
  t.strictSame(limitsOf({ slots, maxSessions: 0, maxSessionsPerUser: 0 }, true), { total: 20, perUser: 10 }, 'where users log in, each has ten')
  t.strictSame(limitsOf({ slots, maxSessions: 12, maxSessionsPerUser: 3 }, false), { total: 12, perUser: 3 }, 'what is set holds')
  t.strictSame(limitsOf({ slots, maxSessions: 99, maxSessionsPerUser: 0 }, false).total, 20, 'there are no more places than slots')
})

t.test('the limit that is reached is named: a user\'s own first, for they can do something about it', async t => {
  const places = new Places({ total: 3, perUser: 2 }, 10)
  t.strictSame(['a1', 'a2', 'a3', 'b1', 'c1', 'a4'].map(id => places.take({ id, owner: id.charAt(0) })), [undefined, undefined, 'user', undefined, 'total', 'user'])
  t.strictSame(places.held, ['a1', 'a2', 'b1'])
  t.ok(places.areTaken)
})

t.test('a place that comes free is given at once to the first who may have it, past those whose user has all that they may', async t => {
  const places = new Places({ total: 3, perUser: 2 }, 10)
  for (const id of ['a1', 'a2', 'b1']) ask(places, id)
  const [a3, b2, c1] = ['a3', 'b2', 'c1'].map(id => ask(places, id))
  t.match([a3, b2, c1], [{ position: 1 }, { position: 2 }, { position: 3 }])
  places.release('b1')
  t.match([a3, b2, c1], [{ state: 'waits', position: 1 }, { state: 'admitted' }, { state: 'waits', position: 2 }])
  places.release('a1')
  t.equal(a3!.state, 'admitted', 'whoever was passed over is the first as soon as they may')
  places.release('c1')
  t.strictSame(places.waiting, [], 'who leaves the line waits no longer')
})

t.test('sessions that an earlier server left have their places, also beyond the limits', async t => {
  const places = new Places({ total: 2, perUser: 2 }, 10)
  for (const id of ['a1', 'a2', 'a3']) places.hold({ id, owner: 'a' })
  const a4 = ask(places, 'a4')
  places.release('a1')
  t.equal(a4.state, 'waits', 'two are as many as there may be')
  places.release('a2')
  t.equal(a4.state, 'admitted')
})

t.test('a wait is told from how fast sessions ended: one\'s own for a user who has all that they may', async t => {
  let now = 0
  const places = new Places({ total: 4, perUser: 3 }, 10, () => now)
  for (const id of ['a1', 'a2', 'a3', 'b1']) ask(places, id)
  const [a4, c1] = [ask(places, 'a4'), ask(places, 'c1')]
  t.equal(places.etaMs(c1), null, 'nothing ended yet')
  for (const at of [1000, 2000, 3000]) {
    now = at
    places.release('b1')
    places.hold({ id: 'b1', owner: 'b' })
  }
  places.hold({ id: 'b2', owner: 'b' }) // full again, c1 has come in
  const c2 = ask(places, 'c2')
  t.equal(places.etaMs(c2), 2000, 'the second turn')
  t.equal(places.etaMs(a4), null, 'no session of its user ended')
})

/** What clients do, one after the other: `who` picks among those that are there. */
const actions = fc.array(fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('ask' as const), owner: fc.constantFrom('a', 'b', 'c') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leave' as const), who: fc.nat() }) }
), { maxLength: 60 })

/** Throws, so that what fails is made smaller. */
function assertSound (places: Places, clients: Client[], limits: Limits, most: number): void {
  const of = (state: Client['state']) => clients.filter(client => client.state === state).map(({ id }) => id).sort()
  assert.deepEqual(places.held.sort(), of('admitted'), 'who was let in has a place, and nobody else')
  assert.deepEqual(places.waiting.map(({ id }) => id).sort(), of('waits'), 'who waits is in the line, and nobody else')
  const count = (owner: string) => clients.filter(client => client.state === 'admitted' && client.owner === owner).length
  assert.ok(places.held.length <= limits.total && ['a', 'b', 'c'].every(owner => count(owner) <= limits.perUser), 'no limit is passed')
  assert.ok(places.waiting.length <= most, 'the line is no longer than it may be')
  const isRoom = places.held.length < limits.total
  assert.ok(!isRoom || places.waiting.every(({ owner }) => count(owner) >= limits.perUser), 'nobody waits who may have a place')
  assert.ok(places.waiting.every((waiter, index) => (waiter as Client).position === index + 1), 'everybody knows where they stand')
}

t.test('whoever asks, waits, leaves and ends, in whatever order: no limit is passed, no place is lost, and nobody waits in vain', async t => {
  const limits = fc.record({ total: fc.integer({ min: 1, max: 6 }), perUser: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constant(Infinity)) })
  fc.assert(fc.property(limits, fc.integer({ min: 1, max: 5 }), actions, (limits, most, actions) => {
    const places = new Places(limits, most)
    let clients: Client[] = []
    for (const [index, action] of actions.entries()) {
      if (action.do === 'ask') {
        clients.push(ask(places, `${action.owner}${index}`))
      } else if (clients.length > 0) {
        const { id } = clients[action.who % clients.length]!
        clients = clients.filter(client => client.id !== id)
        places.release(id)
        places.release(id) // again: no harm
      }
      assertSound(places, clients, limits, most)
    }
    for (const { id } of clients) places.release(id)
    assert.deepEqual([places.held, places.waiting], [[], []], 'after them all, every place is free')
  }), { numRuns: 1000 })
})
