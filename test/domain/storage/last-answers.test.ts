import t from 'tap'
import { LastAnswers } from '#domain/storage/last-answers.ts'
import { failure } from '#errors.ts'

const away = async () => { throw failure('STORE_UNAVAILABLE') }
const isRight = () => true

t.test('the last answer counts while the store is away, for ten minutes from when the store gave it', async t => {
  let now = 0
  const answers = new LastAnswers<string>(() => now)
  t.equal(await answers.ask('a', async () => 'yes', isRight), 'yes')
  now = 599_999
  t.equal(await answers.ask('a', away, isRight), 'yes')
  t.equal(await answers.ask('a', away, answer => answer !== 'yes'), undefined, 'unless it is wrong by now')
  now = 600_000
  await t.rejects(answers.ask('a', away, isRight), { code: 'EX10_STORE_UNAVAILABLE' }, 'asking while it is away does not lengthen the time')
  await t.rejects(answers.ask('b', away, isRight), { code: 'EX10_STORE_UNAVAILABLE' }, 'what was never asked is refused')
})

t.test('an answer that was taken back does not count', async t => {
  const answers = new LastAnswers<string>()
  await answers.ask('a', async () => 'yes', isRight)
  await answers.ask('a', async () => undefined, isRight)
  await t.rejects(answers.ask('a', away, isRight), { code: 'EX10_STORE_UNAVAILABLE' }, 'the store said no')
  for (const question of ['b', 'c']) await answers.ask(question, async () => question, isRight)
  answers.forget(answer => answer === 'b')
  await t.rejects(answers.ask('b', away, isRight), { code: 'EX10_STORE_UNAVAILABLE' }, 'it was revoked here')
  t.equal(await answers.ask('c', away, isRight), 'c')
  const { promise, resolve } = Promise.withResolvers<string>()
  const asked = answers.ask('d', () => promise, isRight)
  answers.forget(answer => answer === 'd')
  resolve('d')
  t.equal(await asked, 'd')
  await t.rejects(answers.ask('d', away, isRight), { code: 'EX10_STORE_UNAVAILABLE' }, 'it may have been given before it was revoked')
})

t.test('other errors stay what they are, and the number of answers is bounded', async t => {
  const answers = new LastAnswers<number>()
  await answers.ask('0', async () => 0, isRight)
  await t.rejects(answers.ask('0', async () => { throw new Error('damaged') }, isRight), { message: 'damaged' })
  for (let count = 1; count <= 20_000; count++) answers.keep(String(count), count)
  t.strictSame([answers.last('0'), answers.last('1'), answers.last('20000')], [undefined, 1, 20_000])
})
