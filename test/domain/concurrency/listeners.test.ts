import t from 'tap'
import { Listeners } from '#domain/concurrency/listeners.ts'

t.test('all listeners hear all news, in the order in which they were added, until they are removed', async t => {
  const listeners = new Listeners<[string, number]>()
  const heard: string[] = []
  const hear = (name: string) => (text: string, count: number) => { heard.push(`${name} ${text} ${count}`) }
  const same = hear('b')
  listeners.add(hear('a'))
  const remove = listeners.add(same)
  listeners.add(same)
  listeners.tell('x', 1)
  remove()
  remove()
  listeners.tell('y', 2)
  t.strictSame(heard, ['a x 1', 'b x 1', 'b x 1', 'a y 2', 'b y 2'], 'one that was added twice hears twice, and is removed once')
  t.equal(listeners.size, 2)
})

t.test('a listener that throws keeps no other from hearing', async t => {
  const listeners = new Listeners<[]>()
  let heard = 0
  listeners.add(() => { throw new Error('first') })
  listeners.add(() => { heard++ })
  t.throws(() => listeners.tell(), { errors: [{ message: 'first' }] })
  t.equal(heard, 1)
})

t.test('one that is added or removed meanwhile does not hear these news', async t => {
  const listeners = new Listeners<[]>()
  const heard: string[] = []
  let remove = () => {}
  listeners.add(() => {
    remove()
    listeners.add(() => { heard.push('added') })
  })
  remove = listeners.add(() => { heard.push('removed') })
  listeners.tell()
  t.strictSame(heard, [])
})
