import t from 'tap'
import { InjectedFailure, parseFailpoint, STEPS, stepMessage } from '../../src/domain/steps.ts'

t.test('the steps are those of the contract, in its order', async t => {
  t.strictSame([...STEPS], ['reserve', 'record', 'user', 'home', 'sandbox', 'firewall', 'template', 'display', 'browser', 'dev-server', 'ready'])
})

t.test('a person reads a different sentence at every step', async t => {
  const messages = STEPS.map(stepMessage)
  t.equal(new Set(messages).size, STEPS.length)
  for (const message of messages) t.match(message, /^[A-Z][\w -]+$/)
})

t.test('a failpoint strikes at its own step and side and nowhere else', async t => {
  for (const struck of STEPS) {
    for (const side of ['before', 'after'] as const) {
      const strike = parseFailpoint(`${struck}:${side}:throw`)
      for (const step of STEPS) {
        for (const when of ['before', 'after'] as const) {
          if (step === struck && when === side) t.throws(() => strike(step, when), InjectedFailure)
          else strike(step, when)
        }
      }
    }
  }
})

t.test('without a failpoint no step fails', async t => {
  const strike = parseFailpoint('')
  for (const step of STEPS) for (const when of ['before', 'after'] as const) strike(step, when)
  t.pass('none did')
})

t.test('a failpoint at a step that does not exist is refused, and the steps are listed', async t => {
  t.throws(() => parseFailpoint('nowhere:before:throw'), { name: 'RangeError', message: /unknown step "nowhere": the steps are reserve, record,/ })
})
