import t from 'tap'
import { matchesGlob, matchesPattern as matches } from '#domain/code/match-patterns.ts'

const budget = () => ({ steps: 1_000_000 })
const matchesPattern = (pattern: string, address: string, left: { steps: number }) => matches(pattern, new URL(address), left)

t.test('a pattern matches what it matches in Chromium, and nothing else', async t => {
  const cases: [pattern: string, matched: string[], others: string[]][] = [
    ['<all_urls>', ['http://a.test/', 'https://a.test/x?y', 'file:///etc/hosts', 'ftp://a.test/'], ['chrome://version/', 'chrome-extension://abc/x', 'about:blank']],
    ['*://*/*', ['http://a.test/', 'https://a.test:8443/x'], ['file:///x', 'ftp://a.test/']],
    ['http://*/*', ['http://a.test/', 'http://127.0.0.1:8000/'], ['https://a.test/']],
    ['http://localhost/*', ['http://localhost/', 'http://localhost:8000/x'], ['http://localhost.test/']],
    ['http://site.test:8080/*', ['http://site.test:8080/'], ['http://site.test/', 'http://site.test:8081/']],
    ['http://site.test:80/*', ['http://site.test/'], ['http://site.test:81/']],
    ['https://*.site.test/*', ['https://site.test/', 'https://a.b.site.test/'], ['https://othersite.test/', 'https://site.test.evil/']],
    ['https://site.test/a*b', ['https://site.test/ab', 'https://site.test/a/x/b', 'https://site.test/a?q=b'], ['https://site.test/abc', 'https://site.test/']],
    ['https://site.test/a?b', ['https://site.test/a?b'], ['https://site.test/axb']],
    ['https://SITE.test/*', ['https://site.test/'], []],
    ['file:///home/*', ['file:///home/x'], ['file:///etc/x']],
    ['nonsense', [], ['http://nonsense/']],
    ['http://(a+)+$/*', [], ['http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/']]
  ]
  for (const [pattern, matched, others] of cases) {
    for (const address of matched) t.ok(matchesPattern(pattern, address, budget()), `${pattern} matches ${address}`)
    for (const address of others) t.notOk(matchesPattern(pattern, address, budget()), `${pattern} does not match ${address}`)
  }
})

t.test('a glob has stars and question marks', async t => {
  t.ok(matchesGlob('*goog?e*', 'http://www.google.test/x', budget()))
  t.notOk(matchesGlob('*goog?e', 'http://www.google.test/x', budget()))
  t.ok(matchesGlob('', '', budget()))
  t.notOk(matchesGlob('', 'x', budget()))
})

t.test('a pattern that is made to take for ever costs its budget and no more', async t => {
  const evil = `${'*a'.repeat(200)}b`
  t.throws(() => matchesGlob(evil, 'a'.repeat(100_000), { steps: 100_000 }), { name: 'BudgetSpent' })
  const left = { steps: 1000 }
  t.throws(() => { for (let index = 0; index < 2000; index++) matchesPattern('', 'http://a.test/', left) }, { name: 'BudgetSpent' }, 'patterns that are none cost, too')
})
