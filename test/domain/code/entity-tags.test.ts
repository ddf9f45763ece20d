import t from 'tap'
import { hashesOf, tagOf } from '#domain/code/entity-tags.ts'

t.test('a condition names any file, or files by their ETags', async t => {
  t.strictSame([hashesOf(undefined), hashesOf('*'), hashesOf(' * '), hashesOf(''), hashesOf('"a"'), hashesOf('"a","b" , W/"c"'), hashesOf('"a", W/"b"', true), hashesOf(tagOf('0f'))],
    [undefined, '*', '*', [], ['a'], ['a', 'b'], ['a', 'b'], ['0f']])
})

t.test('what is no list of ETags is refused, and not taken for one that matches nothing', async t => {
  for (const header of ['a', '"a', '"a" "b"', '*, "a"', '"a", *', 'w/"a"', '"a\nb"', '"a b"']) t.throws(() => hashesOf(header), { code: 'EX10_BAD_REQUEST' }, header)
})
