import t from 'tap'
import { contextOf } from '#domain/memory/context.ts'

t.test('the context of a creation is what its headers say, shortened, and without secrets', async t => {
  t.strictSame(contextOf({}), {})
  t.strictSame(contextOf({ 'user-agent': 'x'.repeat(600) }), { userAgent: 'x'.repeat(500) })
  t.strictSame(contextOf({ referer: 'https://user:password@editor.example/a/b?token=secret#secret' }), { referrer: 'https://editor.example/a/b' })
  for (const referer of ['', 'no url', 'javascript:alert(1)', 'about:client', 'file:///etc/passwd']) t.strictSame(contextOf({ referer }), {}, referer)
})

t.test('the locale is the language that the client prefers', async t => {
  for (const [header, locale] of Object.entries({
    'de-CH': 'de-CH',
    'de-ch, en;q=0.8': 'de-CH',
    'en;q=0.2, fr;q=0.9': 'fr',
    '*, it;q=0.1': 'it',
    'EN-us;q=1.0': 'en-US',
    'zh-hant-tw': 'zh-Hant-TW',
    '*': undefined,
    '': undefined,
    'en;q=0': undefined,
    'not a language': undefined,
    ',;,;q=': undefined,
    [',x'.repeat(10_000)]: undefined,
    'en;q=NaN': undefined
  })) t.equal(contextOf({ 'accept-language': header }).locale, locale, header.slice(0, 30))
})
