import t, { type Test } from 'tap'
import type { Config } from '#config.ts'
import type { Session } from '#domain/session.ts'
import { failure } from '#errors.ts'
import admission from '#plugins/sessions/admission.ts'
import places from '#plugins/machine/places.ts'
import { bareApp } from '#support/bare-app.ts'

const NEVER = new AbortController().signal
const LONG_MS = 60_000

/**
 * The real places. A list stands in for the plugin `sessions`: a session leaves it, and its place, when it is ended, unless
 * it is one of `failing`. Functions stand in for
 * `audit`, `events`, `homes` and `firewall`.
 */
async function withAdmission (t: Test, settings: Partial<Config>, failing: string[] = []) {
  /** What a look at the machine finds wrong with it. */
  const machine: { disk?: Error, firewall?: Error } = {}
  const live: Session[] = []
  const ended: string[] = []
  const warned: string[] = []
  const app = await bareApp(t, [places, admission], {
    settings: { slots: 10, ...settings },
    standIns: {
      audit: { own () {} },
      homes: { async look (instead) { if (machine.disk && instead) throw machine.disk } },
      firewall: { async verify () { if (machine.firewall) throw machine.firewall } },
      events: { publish: ({ id }, { reason }) => { warned.push(`${id} ${reason}`) } },
      sessions: {
        list: () => [...live],
        async end (id, reason) {
          const session = live.find(session => session.id === id)!
          session.state = 'stopping'
          await null
          if (failing.includes(id)) throw new Error('a step of its end fails')
          live.splice(live.indexOf(session), 1)
          ended.push(`${id} ${reason}`)
          app.places.release(id)
        }
      }
    }
  })
  /** Asks for a place for a session, which lives if it has one at once. */
  async function enter (id: string, owner: string) {
    const turn = await app.admission.enter({ id, owner })
    if (!turn) live.push({ id, owner, state: 'ready' } as Session)
    return turn
  }
  return { enter, ended, warned, machine, places: app.places }
}

t.test('a user who has all that they may is refused, with the time to come again, and others are let in', async t => {
  const { enter } = await withAdmission(t, { maxSessionsPerUser: 1 })
  t.notOk(await enter('1', 'anna'))
  await t.rejects(enter('2', 'anna'), { code: 'EX10_TOO_MANY_USER_SESSIONS', statusCode: 429, retryAfterSeconds: 10 })
  t.notOk(await enter('3', 'ben'))
})

t.test('a server without a free place refuses everybody', async t => {
  const { enter, places } = await withAdmission(t, { maxSessions: 1 })
  t.notOk(await enter('1', 'anna'))
  await t.rejects(enter('2', 'ben'), { code: 'EX10_TOO_MANY_SESSIONS', statusCode: 503, retryAfterSeconds: 10 })
  places.release('1')
  t.notOk(await enter('3', 'ben'), 'until there is a place again')
})

t.test('with EX10_WHEN_FULL=queue, a creation waits and gets the next place, until the line is full', async t => {
  const { enter, places } = await withAdmission(t, { whenFull: 'queue', maxSessions: 1, queueLength: 1 })
  t.notOk(await enter('1', 'anna'))
  const turn = (await enter('2', 'ben'))!
  const positions = Array.fromAsync(turn.positions(NEVER, LONG_MS))
  await t.rejects(enter('3', 'cleo'), { code: 'EX10_QUEUE_FULL', statusCode: 503, retryAfterSeconds: 10 })
  places.release('1')
  t.strictSame(await positions, [1])
  t.strictSame(places.held, ['2'])
})

t.test('with EX10_WHEN_FULL=evict-oldest, a user\'s oldest session makes room, and says so before it ends', async t => {
  const { enter, ended, warned, places } = await withAdmission(t, { whenFull: 'evict-oldest', maxSessionsPerUser: 2 })
  for (const id of ['1', '2']) await enter(id, 'anna')
  await Array.fromAsync((await enter('3', 'anna'))!.positions(NEVER, LONG_MS))
  t.strictSame([warned, ended], [['1 evicted'], ['1 evicted']])
  t.strictSame(places.held, ['2', '3'])
})

t.test('no session is ended for one that the disk or the firewall would refuse: that one hears why at once', async t => {
  const { enter, ended, warned, machine, places } = await withAdmission(t, { whenFull: 'evict-oldest', maxSessionsPerUser: 1 })
  await enter('1', 'anna')
  machine.disk = failure('NO_DISK')
  await t.rejects(enter('2', 'anna'), { code: 'EX10_NO_DISK' })
  delete machine.disk
  machine.firewall = failure('FIREWALL')
  await t.rejects(enter('2', 'anna'), { code: 'EX10_FIREWALL' })
  t.strictSame([warned, ended, places.held, places.waiting], [[], [], ['1'], []])
  delete machine.firewall
  await Array.fromAsync((await enter('2', 'anna'))!.positions(NEVER, LONG_MS))
  t.strictSame(ended, ['1 evicted'], 'a session that can be made gets the place')
})

t.test('nobody\'s session makes room for somebody else\'s', async t => {
  const { enter, ended } = await withAdmission(t, { whenFull: 'evict-oldest', maxSessions: 1 })
  await enter('1', 'anna')
  await t.rejects(enter('2', 'ben'), { code: 'EX10_TOO_MANY_SESSIONS' })
  t.strictSame(ended, [])
})

t.test('when the oldest cannot be ended the next one makes room; when none can, the creation is refused', async t => {
  const { enter, ended } = await withAdmission(t, { whenFull: 'evict-oldest', maxSessionsPerUser: 2 }, ['1'])
  for (const id of ['1', '2']) await enter(id, 'anna')
  await Array.fromAsync((await enter('3', 'anna'))!.positions(NEVER, LONG_MS))
  t.strictSame(ended, ['2 evicted'])

  await t.test('none', async t => {
    const { enter, places } = await withAdmission(t, { whenFull: 'evict-oldest', maxSessionsPerUser: 1 }, ['1'])
    await enter('1', 'anna')
    await t.rejects(Array.fromAsync((await enter('2', 'anna'))!.positions(NEVER, LONG_MS)), { code: 'EX10_TOO_MANY_USER_SESSIONS' })
    t.strictSame(places.held, ['1'])
  })
})
