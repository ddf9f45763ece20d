import t from 'tap'
import { lazily } from '#domain/concurrency/lazily.ts'
import { eventually } from '#support/servers/server.ts'

t.test('something is made once, when it is needed; a failure is told to all who ask meanwhile, and made good later', async t => {
  let times = 0
  let isBroken = true
  const get = lazily(async () => {
    times++
    if (isBroken) throw new Error('broken')
    return {}
  }, 2000)
  t.equal(times, 0)
  for (const result of await Promise.allSettled([get(), get()])) t.equal(result.status, 'rejected')
  await t.rejects(get(), { message: 'broken' })
  t.equal(times, 1, 'not tried again at once')
  isBroken = false
  const made = await eventually('another try', () => get().catch(() => undefined))
  t.equal(times, 2)
  t.equal(await get(), made, 'kept from then on')
})
