import t from 'tap'
import { publicAddressOf, withoutPrefix } from '#domain/http/public-address.ts'

t.test('the public address is taken apart as browsers send it, with or without a slash at the end of its path', async t => {
  t.strictSame(publicAddressOf(''), { origin: '', host: '', prefix: '' })
  t.strictSame(publicAddressOf('https://ex10.example'), { origin: 'https://ex10.example', host: 'ex10.example', prefix: '' })
  for (const path of ['/tools/ex10', '/tools/ex10/']) {
    t.strictSame(publicAddressOf(`https://ex10.example:8443${path}`), { origin: 'https://ex10.example:8443', host: 'ex10.example:8443', prefix: '/tools/ex10' })
  }
})

t.test('a proxy may leave the prefix in the path or take it off: the routes see the same path', async t => {
  const table: [string, string][] = [
    ['/ex10/session/1/?a=b', '/session/1/?a=b'], ['/session/1/', '/session/1/'], ['/ex10', '/'], ['/ex10/', '/'], ['/ex10?next=1', '/?next=1'],
    ['/ex100/x', '/ex100/x'], ['/', '/'], ['', ''], ['http://evil.example/ex10/', 'http://evil.example/ex10/'], ['/x/ex10/y', '/x/ex10/y']
  ]
  for (const [url, path] of table) t.equal(withoutPrefix(url, '/ex10'), path, url)
  t.equal(withoutPrefix('/ex10/x', ''), '/ex10/x', 'without a prefix nothing is taken off')
})
