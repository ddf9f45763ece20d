import t from 'tap'
import { decode, encode, NotBencoded, type Bencoded } from '#domain/display/bencode.ts'

t.test('what is written is read again', async t => {
  const values: Bencoded[] = [0, 1, -1, 123_456_789_012_345, '', 'ping', 'a:b', '\xff\x00', [], [[], 'x', -3], new Map(), new Map<string, Bencoded>([['b', 1], ['a', new Map([['c', ['d']]])]])]
  for (const value of values) t.strictSame(decode(Buffer.from(encode(value), 'latin1')), value, encode(value))
  t.equal(encode(true), 'i1e')
})

t.test('what two readers could take for two things is not read', async t => {
  const texts = ['', 'i', 'ie', 'i01e', 'i-0e', 'i+1e', 'i 1e', 'i1.5e', 'i1', '1', '1:', '2:a', '01:a', '-1:a', ':', 'l', 'li1e', 'le ', 'lele', 'd', 'd1:ae', 'di1ei2ee', 'd1:ai1e1:ai2ee', 'x', 'u1:a', 't', 'l'.repeat(20) + 'e'.repeat(20), `i${'9'.repeat(30)}e`, `${'9'.repeat(30)}:a`]
  for (const text of texts) t.throws(() => decode(Buffer.from(text)), NotBencoded, JSON.stringify(text))
})
