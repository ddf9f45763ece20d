import t from 'tap'
import { mergePatch, type Json } from '#domain/memory/merge-patch.ts'

/** The examples of RFC 7396, appendix A: target, patch, result. */
const EXAMPLES: [Json, Json, Json][] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [['a', 'b'], ['c', 'd'], ['c', 'd']],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }]
]

t.test('a merge patch does what RFC 7396 says, and changes neither the target nor the patch', async t => {
  for (const [target, patch, result] of EXAMPLES) {
    const before = JSON.stringify([target, patch])
    t.strictSame(mergePatch(target, patch), result, before)
    t.equal(JSON.stringify([target, patch]), before)
  }
})

t.test('a patch reaches no prototype', async t => {
  const merged = mergePatch({}, JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}') as Json)
  t.equal(JSON.stringify(merged), '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')
  t.notOk('polluted' in {})
})
