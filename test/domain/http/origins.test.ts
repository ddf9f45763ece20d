import t from 'tap'
import { publicAddressOf } from '#domain/http/public-address.ts'
import { isKnownHost, mayChange, type Caller, type OriginRules } from '#domain/http/origins.ts'

const LOCAL: OriginRules = { origins: [], address: publicAddressOf('') }
const LISTED: OriginRules = { origins: ['https://editor.example', 'http://localhost:5173'], address: publicAddressOf('') }
const PUBLIC: OriginRules = { origins: ['https://editor.example'], address: publicAddressOf('https://ex10.example/ex10') }

t.test('the server answers to addresses, to localhost and to its public name, and to no name that could be rebound', async t => {
  const table: [string | undefined, OriginRules, boolean][] = [
    ['127.0.0.1:3001', LOCAL, true], ['127.0.0.1', LOCAL, true], ['[::1]:3001', LOCAL, true], ['[::1]', LOCAL, true], ['localhost', LOCAL, true],
    ['localhost:3001', LOCAL, true], ['192.168.1.7:3001', LOCAL, true], ['ex10.example', PUBLIC, true], ['127.0.0.1:3001', PUBLIC, true],
    [undefined, LOCAL, false], ['', LOCAL, false], ['evil.example', LOCAL, false], ['evil.example:3001', LOCAL, false], ['ex10.example', LOCAL, false],
    ['localhost.evil.example', LOCAL, false], ['127.0.0.1.evil.example', LOCAL, false], ['127.0.0.1.nip.io:3001', LOCAL, false], ['evil-localhost', LOCAL, false],
    ['ex10.example.evil.example', PUBLIC, false], ['ex10.example:8443', PUBLIC, false], ['evil.example', PUBLIC, false], ['evil.example#localhost', LOCAL, false],
    ['localhost@evil.example', LOCAL, false], ['editor.example', PUBLIC, false]
  ]
  for (const [host, rules, known] of table) t.equal(isKnownHost(host, rules), known, `${host} ${JSON.stringify(rules)}`)
})

t.test('only a person, a program, a page of ours and a page on the list may change something', async t => {
  const host = '127.0.0.1:3001'
  const own = `http://${host}`
  const table: [string, Partial<Caller>, OriginRules, boolean][] = [
    ['a program', {}, LOCAL, true],
    ['a typed address', { secFetchSite: 'none' }, LOCAL, true],
    ['a link on a page of ours', { secFetchSite: 'same-origin' }, LOCAL, true],
    ['a script of a page of ours', { origin: own, secFetchSite: 'same-origin' }, LOCAL, true],
    ['a page of ours in a browser without Sec-Fetch', { origin: own }, LOCAL, true],
    ['a link on another site', { secFetchSite: 'cross-site' }, LOCAL, false],
    ['a link on another port', { secFetchSite: 'same-site' }, LOCAL, false],
    ['a word that no browser sends', { secFetchSite: 'whatever' }, LOCAL, false],
    ['an empty word', { secFetchSite: '' }, LOCAL, false],
    ['a script of another site', { origin: 'https://evil.example', secFetchSite: 'cross-site' }, LOCAL, false],
    ['a script of another site, claiming to be ours', { origin: 'https://evil.example', secFetchSite: 'same-origin' }, LOCAL, false],
    ['a script of another port', { origin: 'http://127.0.0.1:8000', secFetchSite: 'same-site' }, LOCAL, false],
    ['an opaque origin, such as the display page', { origin: 'null', secFetchSite: 'cross-site' }, LOCAL, false],
    ['our address over another scheme', { origin: `https://${host}` }, LOCAL, false],
    ['our origin, although the browser says cross-site', { origin: own, secFetchSite: 'cross-site' }, LOCAL, false],
    ['a page on the list', { origin: 'https://editor.example', secFetchSite: 'cross-site' }, LISTED, true],
    ['another page on the list', { origin: 'http://localhost:5173', secFetchSite: 'same-site' }, LISTED, true],
    ['a page that begins like one on the list', { origin: 'https://editor.example.evil.example' }, LISTED, false],
    ['the list\'s name over another scheme', { origin: 'http://editor.example' }, LISTED, false],
    ['the list\'s name on another port', { origin: 'http://localhost:5174' }, LISTED, false],
    ['the list\'s name in capitals', { origin: 'HTTPS://EDITOR.EXAMPLE' }, LISTED, false],
    ['a listed page\'s link, without an Origin', { secFetchSite: 'cross-site' }, LISTED, false],
    ['the public address', { origin: 'https://ex10.example', secFetchSite: 'same-origin' }, PUBLIC, true],
    ['the inner address, when there is a public one', { origin: own, secFetchSite: 'same-origin' }, PUBLIC, true],
    ['a page at the same inner address of another machine', { origin: own, secFetchSite: 'cross-site' }, PUBLIC, false]
  ]
  for (const [who, caller, rules, allowed] of table) {
    t.equal(mayChange({ host, origin: undefined, secFetchSite: undefined, ...caller }, rules), allowed, who)
  }
})
