import t from 'tap'
import { parseFailpoint } from '#domain/sessions/failpoint.ts'
import { STEPS, TEARDOWN_STEPS } from '#domain/sessions/steps.ts'
import { failpointOf } from '#system/sessions/inject-failure.ts'

const never = new AbortController().signal
const places = [...STEPS, ...TEARDOWN_STEPS].flatMap(step => (['before', 'after'] as const).map(side => ({ step, side })))

t.test('a failpoint strikes at its own step and side and nowhere else, and only once', async t => {
  for (const struck of places) {
    const failpoint = failpointOf(parseFailpoint(`${struck.step}:${struck.side}:throw`))
    for (const { step, side } of places) {
      if (step === struck.step && side === struck.side) await t.rejects(failpoint(step, side, never), { name: 'InjectedFailure' })
      else await failpoint(step, side, never)
    }
    await failpoint(struck.step, struck.side, never)
  }
})

t.test('a failpoint that hangs ends with the step that it hangs in, and one of a full disk looks like one', async t => {
  const step = new AbortController()
  const hanging = failpointOf(parseFailpoint('user:after:hang'))('user', 'after', step.signal)
  step.abort(new Error('took too long'))
  await t.rejects(hanging, { message: 'took too long' })
  await t.rejects(failpointOf(parseFailpoint('undo-user:before:enospc'))('undo-user', 'before', never), { code: 'ENOSPC' })
})

t.test('without a failpoint no step fails', async t => {
  for (const { step, side } of places) await failpointOf(parseFailpoint(''))(step, side, never)
  t.pass('none did')
})

t.test('a failpoint that does not exist is refused, and what there is is listed', async t => {
  t.throws(() => parseFailpoint('nowhere:before:throw'), { name: 'RangeError', message: /unknown step "nowhere": give one of reserve, record,/ })
  t.throws(() => parseFailpoint('user:beside:throw'), { message: /unknown side "beside": give one of before, after/ })
  t.throws(() => parseFailpoint('user:before:explode'), { message: /unknown effect "explode": give one of throw, hang, kill9, enospc/ })
})
