import { setImmediate as settle } from 'node:timers/promises'
import t from 'tap'
import { Turn } from '#domain/sessions/turn.ts'
import { failure } from '#errors.ts'

const LONG_MS = 60_000
const never = new AbortController().signal

/** A turn whose positions are read as they come. */
function follow (signal = never, ms = LONG_MS) {
  const turn = new Turn({ id: '1', owner: 'a' })
  turn.stands(3)
  const seen: number[] = []
  const ended = (async () => { for await (const position of turn.positions(signal, ms)) seen.push(position) })()
  ended.catch(() => {})
  return { turn, seen, ended }
}

t.test('who waits hears where it stands at once and when that changes, until its turn comes', async t => {
  const { turn, seen, ended } = follow()
  for (const position of [3, 2, 2, 1]) {
    await settle()
    turn.stands(position)
  }
  await settle()
  t.ok(turn.isAttended)
  turn.admit()
  await ended
  t.strictSame(seen, [3, 2, 1], 'each position once')
  t.notOk(turn.isAttended)
})

t.test('a turn that has come before anybody waits for it is had at once', async t => {
  const turn = new Turn({ id: '1', owner: 'a' })
  turn.stands(1)
  turn.admit()
  turn.turnAway(failure('QUEUE_FULL'))
  t.strictSame(await Array.fromAsync(turn.positions(never, LONG_MS)), [])
})

t.test('a wait ends with its reason: its time is over, its client is gone, or it has to go', async t => {
  await t.rejects(follow(never, 5).ended, { code: 'EX10_QUEUE_TIMEOUT' })
  const gone = new AbortController()
  const left = follow(gone.signal)
  await settle()
  gone.abort(failure('CLIENT_GONE'))
  await t.rejects(left.ended, { code: 'EX10_CLIENT_GONE' })
  t.notOk(left.turn.isAttended)
  const displaced = follow()
  displaced.turn.displace()
  await t.rejects(displaced.ended, { code: 'EX10_QUEUE_FULL' })
})

t.test('no timer outlives a wait', async t => {
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  const { turn, ended } = follow()
  turn.admit()
  await ended
  t.equal(timers(), before)
})
