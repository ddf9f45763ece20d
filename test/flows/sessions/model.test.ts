import fc from 'fast-check'
import t from 'tap'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { heldBrowser } from '#support/display/held-browser.ts'
import { IS_LONG } from '#support/servers/long.ts'
import { newRandom } from '#support/inputs/random.ts'
import { commands, endAll, SLOTS, type Model, type Real } from '#support/inputs/session-model.ts'
import { tally } from '#support/servers/tally.ts'

const RUNS = IS_LONG ? 40 : 1
const COMMANDS = 20

t.test('in whatever order sessions are made, pushed to, ended and left, and the server killed and kept, what it says and holds is what was done', async t => {
  const { seed } = newRandom()
  t.comment(`EX10_TEST_SEED=${seed}`)
  // what it is told to keep, it keeps at SIGTERM; a run ends all of its own
  const browser = heldBrowser(t)
  let server = await serve(t, { ...browser.settings, EX10_SLOTS: String(SLOTS), EX10_ON_SHUTDOWN: 'keep', EX10_LOG_LEVEL: 'warn' })
  let done = 0
  const property = fc.asyncProperty(fc.commands(commands(), { maxCommands: COMMANDS, size: 'max' }), async all => {
    const model: Model = { sessions: new Map(), made: 0 }
    const real: Real = { t, server, browser, sessions: new Map() }
    try {
      await fc.asyncModelRun(() => ({ model, real }), all)
      await endAll(model, real)
    } finally {
      server = real.server
    }
    if (!t.passing()) throw new Error('the server is not as the model')
    t.comment(`run ${++done}: ${all}`)
  })
  // not made smaller when it fails: the same seed fails the same way
  await fc.assert(property, { seed, numRuns: RUNS, endOnFailure: true })
  await assertEndsClean(t, server)
  tally(t, 'model runs', RUNS, seed)
})
