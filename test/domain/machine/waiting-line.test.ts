import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { WaitingLine } from '#domain/machine/waiting-line.ts'

interface Waiter { id: string, owner: string }

/** Those who wait, by names like `a2`: the second of the user a. */
function lineOf (names: string[], most = 100): WaitingLine<Waiter> {
  const line = new WaitingLine<Waiter>(most)
  for (const id of names) line.join({ id, owner: id.charAt(0) })
  return line
}

const idsOf = (line: WaitingLine<Waiter>) => line.inOrder().map(({ id }) => id)
const anybody = () => true

t.test('of one user, who comes first is served first', async t => {
  const line = lineOf(['a1', 'a2', 'a3'])
  t.strictSame(['a1', 'a2', 'a3'].map(() => line.next(anybody)?.id), ['a1', 'a2', 'a3'])
  t.equal(line.next(anybody), undefined)
})

t.test('turns go round by user: one who sent many waits between them for each of the others', async t => {
  const line = lineOf(['a1', 'a2', 'a3', 'b1', 'b2', 'c1'])
  t.strictSame(idsOf(line), ['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  t.equal(line.next(anybody)?.id, 'a1')
  t.strictSame(idsOf(line), ['b1', 'c1', 'a2', 'b2', 'a3'], 'a turn moves everybody up by one')
  line.join({ id: 'd1', owner: 'd' })
  t.strictSame(idsOf(line), ['b1', 'c1', 'a2', 'd1', 'b2', 'a3'], 'who comes now has a turn before anybody has a second one')
})

t.test('a user who may not have a turn now holds up nobody, and is the next once they may', async t => {
  const line = lineOf(['a1', 'a2', 'b1', 'c1'])
  t.equal(line.next(owner => owner !== 'a')?.id, 'b1')
  t.equal(line.next(anybody)?.id, 'a1')
  t.equal(line.next(owner => owner === 'x'), undefined)
  t.strictSame(idsOf(line), ['c1', 'a2'])
})

t.test('who leaves has no turn, and leaving twice is no harm', async t => {
  const line = lineOf(['a1', 'a2', 'b1'])
  for (const id of ['a1', 'a1', 'b1', 'nobody']) line.leave(id)
  t.strictSame(idsOf(line), ['a2'])
})

t.test('a full line takes no more of those who have the most in it', async t => {
  const line = lineOf(['a1', 'a2'], 2)
  const third = { id: 'a3', owner: 'a' }
  t.equal(line.join(third), third)
  t.strictSame(idsOf(line), ['a1', 'a2'])
})

t.test('nobody is kept out by one who has filled the line: they lose the last one for it, as long as they have more', async t => {
  const line = lineOf(['a1', 'a2', 'a3'], 3)
  t.equal(line.join({ id: 'b1', owner: 'b' })?.id, 'a3')
  t.strictSame(idsOf(line), ['a1', 'b1', 'a2'])
  t.equal(line.join({ id: 'b2', owner: 'b' })?.id, 'b2', 'who has no less than the others comes later')
  t.equal(line.join({ id: 'c1', owner: 'c' })?.id, 'a2')
  t.equal(line.join({ id: 'd1', owner: 'd' })?.id, 'd1', 'when each has one, the one who came last')
})

t.test('the order that is told is the order in which turns come, whoever waits', async t => {
  fc.assert(fc.property(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 30 }), owners => {
    const line = lineOf(owners.map((owner, index) => owner + index))
    const told = idsOf(line)
    const served = told.map(() => line.next(anybody)!.id)
    assert.deepEqual(served, told)
    assert.deepEqual(served.toSorted(), owners.map((owner, index) => owner + index).toSorted(), 'everybody once')
  }))
})
