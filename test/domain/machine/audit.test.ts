import t from 'tap'
import { audit, isClean, SERVER, viewAudit, type Known, type Noun } from '#domain/machine/audit.ts'
import type { Session, SessionState } from '#domain/session.ts'
import { slotAt } from '#domain/machine/slots.ts'

const signal = AbortSignal.timeout(20_000)

function session (id: string, state: SessionState, uid: number): Session {
  const account = { name: `account-${id}`, uid, gid: 1, home: '/' }
  return { id, state, account, slot: slotAt(uid, 9000), template: '', width: 1, height: 1, createdAt: new Date(), owner: 'local', address: '', isAuthenticated: false, version: 0 }
}

const noun = (owners: (string | number | undefined)[]): Noun => ({
  noun: 'things',
  observe: () => owners.map(owner => ({ kind: 'thing', name: `of ${owner}`, owner })),
  implied: ({ id }) => [{ kind: 'thing', name: `of ${id}` }]
})

const live: Session[] = [session('a', 'ready', 1), session('b', 'creating', 2), session('c', 'stopping', 3)]

async function find (owners: (string | number | undefined)[], known: Known = { live, isServed: true }) {
  const { leaked, missing } = await audit([noun(owners)], () => known, signal, [1])
  return { leaked: leaked.map(({ owner }) => owner), missing: missing.map(({ name }) => name) }
}

t.test('a ready session has all that it implies; one that is being made or ended may have any of it', async t => {
  t.strictSame(await find(['a']), { leaked: [], missing: [] })
  t.strictSame(await find(['a', 'b', 'c', SERVER]), { leaked: [], missing: [] })
  t.strictSame(await find(['b', 'd']), { leaked: ['d'], missing: ['of a'] })
})

t.test('a thing names its session by id, account, uid, slot or port; one that names nobody is nobody\'s', async t => {
  t.strictSame(await find(['a', 'account-a', 1, 'slot 1', 'port 9001', 'port 8001', '1 . 10001']), { leaked: [], missing: [] })
  t.strictSame((await find(['a', 'account-d', 4, 'slot 4', 'port 9004', '1 . 9002', undefined])).leaked, ['account-d', 4, 'slot 4', 'port 9004', '1 . 9002', undefined])
})

t.test('without a server, only ready sessions may have anything', async t => {
  t.strictSame(await find(['a', 'b', 'c', SERVER], { live, isServed: false }), { leaked: ['b', 'c'], missing: [] })
  t.strictSame(await find([SERVER], { live: [], isServed: false }), { leaked: [SERVER], missing: [] }, 'and without sessions, nothing is a server\'s')
})

t.test('what is there only for a moment, or while its session comes or goes, is no finding', async t => {
  let looks = 0
  const fleeting: Noun = { noun: 'fleeting', observe: () => ++looks === 1 ? [{ kind: 'thing', name: 'x', owner: undefined }] : [] }
  t.strictSame(await audit([fleeting], () => ({ live, isServed: true }), signal, [1]), { leaked: [], missing: [], unknown: [], unseen: [] })

  let reads = 0
  const coming = () => ({ live: ++reads % 2 === 0 ? live : [], isServed: true })
  t.strictSame(await audit([noun(['a', 'b'])], coming, signal, [1]), { leaked: [], missing: [], unknown: [], unseen: [] }, 'it came while the machine was looked at')
  reads = 0
  t.strictSame(await audit([noun([])], coming, signal, [1]), { leaked: [], missing: [], unknown: [], unseen: [] }, 'and has not all of it yet')
})

t.test('a thing that people have put in a place of the instance is unknown, and does not make the audit unclean', async t => {
  const found = await audit([{ noun: 'folders', observe: () => [{ kind: 'folder', name: 'backup-2026', owner: undefined, isUnknown: true }] }], () => ({ live, isServed: true }), signal, [1])
  t.strictSame(viewAudit(found), { leaked: [], missing: [], unknown: [{ kind: 'folder', name: 'backup-2026' }] })
  t.ok(isClean(found))
})

t.test('a noun that cannot be looked at is told of, and the others are looked at', async t => {
  const error = new Error('closed')
  const blind: Noun = { noun: 'blind', observe: () => Promise.reject(error) }
  t.match(await audit([blind, noun(['d'])], () => ({ live: [], isServed: true }), signal, [1]), { leaked: [{ owner: 'd' }], unseen: [{ noun: 'blind', error }] })
})
