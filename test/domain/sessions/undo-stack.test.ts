import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { UndoFailed, UndoStack } from '#domain/sessions/undo-stack.ts'

t.test('every undo is told with its time, and with its error if it failed', async t => {
  const ran: [string, boolean, unknown][] = []
  const undo = new UndoStack(1000, (name, ms, error) => ran.push([name, ms >= 0 && ms < 1000, (error as Error | undefined)?.message]))
  undo.push('first', () => {})
  undo.push('second', () => { throw new Error('busy') })
  await undo.run().catch(() => {})
  t.strictSame(ran, [['second', true, 'busy'], ['first', true, undefined]])
})

t.test('what was acquired last is given back first, one at a time', async t => {
  const undo = new UndoStack()
  const seen: string[] = []
  for (const name of ['user', 'home', 'sandbox']) {
    undo.push(name, async () => {
      seen.push(`${name} begins`)
      await turn()
      seen.push(`${name} ends`)
    })
  }
  await undo.run()
  t.strictSame(seen, ['sandbox begins', 'sandbox ends', 'home begins', 'home ends', 'user begins', 'user ends'])
})

t.test('everything is undone once, however many ask, and all of them wait for its end', async t => {
  const undo = new UndoStack()
  const gate = Promise.withResolvers<void>()
  let runs = 0
  undo.push('slow', () => { runs++; return gate.promise })
  let finished = 0
  const asked = [undo.run(), undo.run(), undo.run()].map(run => run.then(() => { finished++ }))
  await turn()
  t.equal(finished, 0, 'nobody hears of the end before it')
  gate.resolve()
  await Promise.all(asked)
  await undo.run()
  t.equal(runs, 1)
})

t.test('an undo that fails keeps no other from running, and every failure is told', async t => {
  const undo = new UndoStack()
  const seen: string[] = []
  undo.push('first', () => { seen.push('first') })
  undo.push('second', () => { throw new Error('thrown at once') })
  undo.push('third', () => { seen.push('third') })
  undo.push('fourth', async () => { throw new Error('rejected') })
  const error = await undo.run().then(() => undefined, (error: unknown) => error)
  t.ok(error instanceof UndoFailed)
  t.strictSame(seen, ['third', 'first'])
  t.match((error as UndoFailed).message, /fourth failed: rejected; undo of second failed: thrown at once/)
  t.equal((error as UndoFailed).errors.length, 2)
})

t.test('an undo that never ends is given up after its time, told to stop, and the next one runs', async t => {
  const undo = new UndoStack(20)
  let told: AbortSignal | undefined
  let reached = false
  undo.push('reached', () => { reached = true })
  undo.push('stuck', signal => { told = signal; return new Promise(() => {}) })
  await t.rejects(undo.run(), /stuck failed: took longer than 20 ms/)
  t.ok(told?.aborted)
  t.ok(reached)
})

t.test('each undo has its own time: a slow one takes nothing from the next', async t => {
  const undo = new UndoStack(20)
  const signals: boolean[] = []
  undo.push('second', signal => { signals.push(signal.aborted) })
  undo.push('stuck', () => new Promise(() => {}))
  await t.rejects(undo.run())
  t.strictSame(signals, [false])
})

t.test('what was acquired too late, after the end began, is undone too, and who asks again waits for that', async t => {
  const undo = new UndoStack()
  const seen: string[] = []
  const gate = Promise.withResolvers<void>()
  undo.push('early', async () => { await gate.promise; seen.push('early') })
  const run = undo.run()
  undo.push('late', () => { seen.push('late') })
  gate.resolve()
  await run
  await undo.run()
  t.strictSame(seen.toSorted(), ['early', 'late'])

  undo.push('after the end', () => { seen.push('after the end') })
  await undo.run()
  t.ok(seen.includes('after the end'))
})

t.test('a late undo that fails does not take the server down: who asks hears of it', async t => {
  const unheard: unknown[] = []
  const note = (error: unknown) => { unheard.push(error) }
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', note)
  t.teardown(() => {
    process.removeAllListeners('unhandledRejection')
    for (const listener of others) process.on('unhandledRejection', listener)
  })
  const undo = new UndoStack()
  await undo.run()
  undo.push('late', () => { throw new Error('still there') })
  await turn()
  await turn()
  t.strictSame(unheard, [], 'no promise was left without anybody to hear its rejection')
  await t.rejects(undo.run(), /late failed: still there/)
})

t.test('what is undone last is kept while something is left that was acquired after it, and given back when nothing is', async t => {
  for (const fails of ['never', 'throws', 'hangs']) {
    const undo = new UndoStack(20)
    const seen: string[] = []
    undo.push('slot', () => { seen.push('slot') }, 'last')
    undo.push('record', () => { seen.push('record') }, 'last')
    undo.push('account', () => { seen.push('account') })
    undo.push('home', () => {
      if (fails === 'throws') throw new Error('in use')
      if (fails === 'hangs') return new Promise(() => {})
    })
    const run = undo.run()
    if (fails === 'never') await run
    else await t.rejects(run, { name: 'UndoFailed', errors: { length: 1 } }, 'what was kept is no failure of its own')
    t.strictSame(seen, fails === 'never' ? ['account', 'record', 'slot'] : ['account'], `the home ${fails}`)
  }
})

t.test('what is undone last keeps what is before it, when it fails itself', async t => {
  const undo = new UndoStack()
  undo.push('slot', () => { t.fail('it is given back') }, 'last')
  const full = new Error('no space left')
  undo.push('record', async () => { throw full }, 'last')
  const error = await undo.run().then(() => undefined, (error: unknown) => error as UndoFailed)
  t.equal(error?.of('record'), full, 'and its own error is told')
  t.equal(error?.of('slot'), undefined)
})

t.test('a stack with nothing on it has nothing to undo', async t => {
  await new UndoStack().run()
  t.pass('resolves')
})
