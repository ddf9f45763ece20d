import t from 'tap'
import { STEPS, stepMessage, TEARDOWN_STEPS, UNDONE_STEPS } from '#domain/sessions/steps.ts'

t.test('the steps are those of the contract, in its order', async t => {
  t.strictSame([...STEPS], ['reserve', 'record', 'user', 'home', 'sandbox', 'firewall', 'template', 'display', 'browser', 'dev-server', 'ready'])
})

t.test('a teardown goes through the undone steps backwards, between the first and the last record', async t => {
  t.strictSame([...TEARDOWN_STEPS], ['stopping', ...[...UNDONE_STEPS].reverse().map(step => `undo-${step}`), 'ended'])
})

t.test('a person reads a different sentence at every step', async t => {
  const messages = STEPS.map(stepMessage)
  t.equal(new Set(messages).size, STEPS.length)
  for (const message of messages) t.match(message, /^[A-Z][\w -]+$/)
})
