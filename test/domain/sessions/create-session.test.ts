import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { Capabilities } from '#domain/sessions/capabilities.ts'
import { createSession, pushEveryUndo } from '#domain/sessions/create-session.ts'
import { parseFailpoint } from '#domain/sessions/failpoint.ts'
import type { Template } from '#domain/session.ts'
import { STEPS, type Step } from '#domain/sessions/steps.ts'
import { UndoStack } from '#domain/sessions/undo-stack.ts'
import { failpointOf } from '#system/sessions/inject-failure.ts'
import { factsOf } from '#support/facts.ts'

const FACTS = factsOf('a'.repeat(32))
const TEMPLATE: Template = { name: 'vanilla', title: '', description: '', dev: ['true'], sourceDir: 'extension', extensionDir: 'extension', kind: 'plain', devServer: 'plain' }

/** A machine that notes what is asked of it. `slow` decides when a call ends. */
function notingMachine (slow: (call: string) => Promise<void> | void = () => {}) {
  const calls: string[] = []
  const signals = new Map<string, AbortSignal>()
  const note = (name: string) => async (...args: unknown[]) => {
    calls.push(name)
    const signal = args.find(arg => arg instanceof AbortSignal)
    if (signal) signals.set(name, signal)
    await slow(name)
    calls.push(`${name} done`)
  }
  const sync = (name: string) => () => { calls.push(name) }
  const make: Capabilities = {
    linuxUsers: { create: note('user'), remove: note('-user') },
    homes: { create: note('home'), remove: note('-home') },
    firewall: { open: note('firewall'), close: note('-firewall') },
    sandboxes: { create: note('sandbox'), kill: note('-processes'), remove: note('-sandbox') },
    programs: { start: (facts, step, ...rest) => note(step)(facts, ...rest), stop: (facts, step, signal) => note(`-${step}`)(facts, signal) },
    codeUpdates: { install: note('template'), begin: note('extension'), stop: sync('-writer') },
    registry: { record: note('record'), forget: sync('-record') }
  }
  const begun = () => calls.filter(call => !call.endsWith(' done'))
  return { make, calls, begun, signals }
}

function creation (overrides: { undo?: UndoStack, signal?: AbortSignal, failpoint?: string } = {}) {
  return {
    facts: FACTS,
    template: TEMPLATE,
    undo: overrides.undo ?? new UndoStack(),
    signal: overrides.signal ?? new AbortController().signal,
    stepMs: 30_000,
    failpoint: failpointOf(parseFailpoint(overrides.failpoint ?? ''))
  }
}

const ACQUIRED = ['record', 'user', 'home', 'sandbox', 'firewall', 'template', 'dev-server', 'display', 'browser', 'extension']
/** Every undo, and the steps that it belongs to. */
const UNDOS = [
  ['-browser', 'browser'], ['-display', 'display'], ['-dev-server', 'dev-server'], ['-writer', 'template'], ['-processes', 'template'],
  ['-firewall', 'firewall'], ['-processes', 'sandbox'], ['-sandbox', 'sandbox'], ['-processes', 'home'], ['-home', 'home'],
  ['-user', 'user'], ['-record', 'record']
] as const
/** The undos of what was made: processes are killed by the first that needs them dead. */
const undosOf = (made: string[]) => [...new Set(UNDOS.filter(([, step]) => made.includes(step)).map(([call]) => call))]
const GIVEN_BACK = undosOf(ACQUIRED)

t.test('a creation reports every step once, in order and numbered, and makes things in that order', async t => {
  const { make, begun } = notingMachine()
  const undo = new UndoStack()
  const lines = await Array.fromAsync(createSession(make, creation({ undo })))
  t.strictSame(lines.map(line => line.step), [...STEPS])
  t.strictSame(lines.map(line => line.index), STEPS.map((_, position) => position + 1))
  t.ok(lines.every(line => line.of === STEPS.length && line.elapsedMs >= 0 && line.message.length > 0))
  t.strictSame(begun(), ACQUIRED)
  await undo.run()
  t.strictSame(begun().slice(ACQUIRED.length), GIVEN_BACK, 'and gives them back in reverse: processes die before the firewall closes, the account goes last')
})

t.test('every step is told when it is over, each with its own time, and the one that failed with its error', async t => {
  const told = async (failpoint: string, onCall: Parameters<typeof notingMachine>[0] = () => undefined) => {
    const steps: [Step, unknown][] = []
    const times: number[] = []
    const { make } = notingMachine(onCall)
    await Array.fromAsync(createSession(make, {
      ...creation({ failpoint }),
      noteStep (step, ms, error) {
        steps.push([step, (error as Error | undefined)?.message])
        times.push(ms)
      }
    })).catch(() => {})
    t.ok(times.every(ms => ms >= 0 && ms < 5000))
    return steps
  }
  t.strictSame((await told('')).map(([step]) => step).toSorted(), [...STEPS].sort())
  t.match((await told('home:before:throw')).at(-1), ['home', /home/])
  t.match((await told('home:before:throw')).map(([step]) => step), ['reserve', 'record', 'user', 'home'])
  t.match((await told('', call => { if (call === 'sandbox') throw new Error('busy') })).at(-1), ['sandbox', 'busy'])
})

t.test('the build runs beside the display, Chromium waits for the display, and the session for all of them', async t => {
  const built = Promise.withResolvers<void>()
  const { make, calls } = notingMachine(call => call === 'dev-server' ? built.promise : undefined)
  const reading = Array.fromAsync(createSession(make, creation()))
  while (!calls.includes('browser done')) await turn()
  for (let i = 0; i < 10; i++) await turn()
  t.ok(calls.indexOf('dev-server') < calls.indexOf('display done'), 'the build began before the display was up')
  t.ok(calls.indexOf('display done') < calls.indexOf('browser'), 'Chromium has its display')
  t.notOk(calls.includes('extension'), 'without the build the session is not ready')
  built.resolve()
  await reading
  t.ok(calls.indexOf('dev-server done') < calls.indexOf('extension'))
})

t.test('whichever step fails, before or after it acquired, exactly what may have been made is undone', async t => {
  for (const step of STEPS) {
    for (const side of ['before', 'after'] as const) {
      const { make, begun } = notingMachine()
      const undo = new UndoStack()
      const seen: Step[] = []
      await t.rejects(async () => {
        for await (const line of createSession(make, creation({ undo, failpoint: `${step}:${side}:throw` }))) seen.push(line.step)
      }, { name: 'InjectedFailure' })
      t.equal(seen.at(-1), step, 'its line was the last')
      const made = begun().filter(call => !call.startsWith('-'))
      await undo.run()
      const undone = begun().filter(call => call.startsWith('-'))
      t.strictSame(undone, undosOf(made), `${step}:${side}`)
    }
  }
})

t.test('a step that fails half-way is undone as well, for it may have made something', async t => {
  const { make, begun } = notingMachine(call => { if (call === 'sandbox') throw new Error('no') })
  const undo = new UndoStack()
  await t.rejects(Array.fromAsync(createSession(make, creation({ undo }))), /no/)
  await undo.run()
  t.strictSame(begun(), ['record', 'user', 'home', 'sandbox', '-processes', '-sandbox', '-home', '-user', '-record'])
})

t.test('a build that fails beside the display fails the creation, and no rejection is left unheard', async t => {
  const { make, begun } = notingMachine(call => { if (call === 'dev-server') throw new Error('no build') })
  await t.rejects(Array.fromAsync(createSession(make, creation())), /no build/)
  t.notOk(begun().includes('extension'))
})

t.test('a client that goes away stops the creation at its next step, and the running one hears of it', async t => {
  const gone = new AbortController()
  const { make, begun, signals } = notingMachine(async call => { if (call === 'firewall') gone.abort(new Error('the client went away')) })
  await t.rejects(Array.fromAsync(createSession(make, creation({ signal: gone.signal }))), /the client went away/)
  t.strictSame(begun(), ['record', 'user', 'home', 'sandbox', 'firewall'], 'nothing was begun after it')
  t.ok(signals.get('firewall')?.aborted)
})

t.test('a client that goes away at the very last step has no session either', async t => {
  const gone = new AbortController()
  const { make } = notingMachine(async call => { if (call === 'extension') gone.abort(new Error('the client went away')) })
  await t.rejects(Array.fromAsync(createSession(make, creation({ signal: gone.signal }))), /the client went away/)
})

t.test('of a session that an earlier server left, everything is undone in the same order', async t => {
  const { make, begun } = notingMachine()
  const undo = new UndoStack()
  pushEveryUndo(make, FACTS, async () => {}, undo)
  await undo.run()
  t.strictSame(begun().toSorted(), GIVEN_BACK.toSorted(), 'each once')
  const position = (call: string) => begun().indexOf(call)
  t.ok(position('-processes') < position('-firewall') && position('-processes') < position('-home') && position('-home') < position('-user'))
})

t.test('processes that could not be killed are killed again before anything goes that they use', async t => {
  let failures = 1
  const { make, begun } = notingMachine(call => { if (call === '-processes' && failures-- > 0) throw new Error('not yet') })
  const undo = new UndoStack()
  pushEveryUndo(make, FACTS, async () => {}, undo)
  await t.rejects(undo.run(), /not yet/)
  t.strictSame(begun().filter(call => call === '-processes'), ['-processes', '-processes'], 'twice, and not once more')
  t.ok(begun().lastIndexOf('-processes') < begun().indexOf('-sandbox') && begun().lastIndexOf('-processes') < begun().indexOf('-home'))
})

t.test('while something of a session is left, its record is kept: it tells the next try of it', async t => {
  for (const failing of GIVEN_BACK.filter(call => call !== '-record' && call !== '-writer')) {
    const { make, begun } = notingMachine(call => { if (call === failing) throw new Error('no') })
    const undo = new UndoStack()
    pushEveryUndo(make, FACTS, async () => {}, undo)
    await t.rejects(undo.run(), /no/)
    t.notOk(begun().includes('-record'), `${failing} failed`)
  }
  const { make, begun } = notingMachine(call => call === '-home' ? new Promise(() => {}) : undefined)
  const undo = new UndoStack(20)
  pushEveryUndo(make, FACTS, async () => {}, undo)
  await t.rejects(undo.run(), /longer than/)
  t.notOk(begun().includes('-record'), 'the removal of the home takes too long')
})
