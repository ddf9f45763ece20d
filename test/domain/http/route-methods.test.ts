import t from 'tap'
import { RouteMethods } from '#domain/http/route-methods.ts'

const methods = new RouteMethods()
for (const [method, path] of [
  ['GET', '/'], ['GET', '/sessions'], ['POST', '/sessions'], ['GET', '/sessions/:id'], ['DELETE', '/sessions/:id'], ['GET', '/session/:id/*'], ['POST', '/session/:id/keep'],
  ['GET', '/docs'], ['GET', '/docs/'], ['OPTIONS', '*']
] as const) methods.add(method, path)

t.test('the methods of a path are those of all routes that match it, with those for every path', async t => {
  for (const [url, found] of [
    ['/', ['GET', 'OPTIONS']],
    ['/sessions?limit=1', ['GET', 'OPTIONS', 'POST']],
    ['/sessions/a%2Fb', ['DELETE', 'GET', 'OPTIONS']],
    ['/%73essions', ['GET', 'OPTIONS', 'POST']],
    ['/session/1/keep', ['GET', 'OPTIONS', 'POST']],
    ['/session/1/', ['GET', 'OPTIONS']],
    ['/session/1/a/b', ['GET', 'OPTIONS']],
    ['/docs/', ['GET', 'OPTIONS']]
  ] as const) t.strictSame(methods.of(url), found, url)
})

t.test('a path without a route has no methods, not even those for every path', async t => {
  for (const url of ['/nothing', '/Sessions', '/sessions/', '/sessions/1/2', '/session/1', '/session//x', '/sessions/%', '*', '']) t.strictSame(methods.of(url), [], url)
})
