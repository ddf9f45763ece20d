import t from 'tap'
import { Tickets } from '#domain/access/tickets.ts'
import type { Visitor } from '#domain/access/credential.ts'

const by = (id: string): Visitor => ({ address: '192.0.2.1', credential: { kind: 'share', id, opener: async () => undefined, holds: async () => true } })
const [LINK, OTHER] = [by('link'), by('other')]

t.test('a ticket is good once, for its session, for a minute', async t => {
  const tickets = new Tickets()
  const ticket = tickets.issue('a', LINK, 0)
  t.equal(tickets.redeem(ticket, 'b', 1), undefined, 'not for another session')
  t.equal(tickets.redeem(ticket, 'a', 1), undefined, 'nor after it was tried there')
  const second = tickets.issue('a', LINK, 0)
  t.equal(tickets.redeem(second, 'a', 59_999), LINK)
  t.equal(tickets.redeem(second, 'a', 59_999), undefined, 'once')
  t.equal(tickets.redeem(tickets.issue('a', LINK, 0), 'a', 60_000), undefined, 'nor after its time')
  t.equal(tickets.redeem('', 'a', 0), undefined)
})

t.test('a ticket ends with its session, and is forgotten after its time', async t => {
  const tickets = new Tickets()
  const [a, b] = [tickets.issue('a', LINK, 0), tickets.issue('b', LINK, 0)]
  tickets.forget('a')
  t.strictSame(tickets.sessionIds(), ['b'])
  t.strictSame([tickets.redeem(a, 'a', 1), tickets.redeem(b, 'b', 1)], [undefined, LINK])
  tickets.issue('b', LINK, 0)
  tickets.issue('c', LINK, 60_000)
  t.strictSame(tickets.sessionIds(), ['c'])
})

t.test('whoever loads a page again and again takes no memory for it, and nobody else\'s ticket', async t => {
  const tickets = new Tickets()
  const [others, elsewhere] = [tickets.issue('a', OTHER, 0), tickets.issue('b', LINK, 0)]
  const issued = Array.from({ length: 1000 }, () => tickets.issue('a', LINK, 0))
  t.equal(tickets.sessionIds().length, 64 + 2)
  t.strictSame([tickets.redeem(issued[935]!, 'a', 1), tickets.redeem(issued[936]!, 'a', 1)], [undefined, LINK], 'the last 64 are good')
  t.strictSame([tickets.redeem(others, 'a', 1), tickets.redeem(elsewhere, 'b', 1)], [OTHER, LINK])
})
