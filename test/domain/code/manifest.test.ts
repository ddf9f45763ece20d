import t from 'tap'
import { isConcerned, looksIntoFrames, parseManifest, type Frame } from '#domain/code/manifest.ts'

const top = (url: string): Frame => ({ url, isTop: true })
const runs = (script: object, frame: Frame) => isConcerned(parseManifest(JSON.stringify({ content_scripts: [script] })), frame, { steps: 1_000_000 })

t.test('a manifest is read as Chromium reads it: with comments and a byte order mark', async t => {
  const text = '\uFEFF{ // the name\n "name": "x", /* b */ "background": {"service_worker": "b.js"}, "devtools_page": "d.html" }'
  t.strictSame(parseManifest(text), { contentScripts: [], hasWorker: true, hasDevToolsPage: true })
})

t.test('a manifest that makes no sense concerns no page, and breaks nothing', async t => {
  for (const text of ['', 'null', '[]', '{', '{"content_scripts": 5}', '{"content_scripts": [null, {"matches": "x"}], "background": null}', '['.repeat(100_000)]) {
    t.strictSame(parseManifest(text), { contentScripts: [], hasWorker: false, hasDevToolsPage: false }, text.slice(0, 40))
  }
})

t.test('a content script concerns the pages that it runs in, exclusions and globs counted', async t => {
  const script = { matches: ['http://*/*'], exclude_matches: ['http://no.test/*'], include_globs: ['*page*'], exclude_globs: ['*old*'] }
  t.ok(runs(script, top('http://a.test/page')))
  t.notOk(runs(script, top('http://a.test/other')), 'not included')
  t.notOk(runs(script, top('http://a.test/page/old')), 'excluded by a glob')
  t.notOk(runs(script, top('http://no.test/page')), 'excluded by a match')
  t.notOk(runs(script, top('https://a.test/page')), 'not matched')
  t.ok(runs({ matches: ['http://*/x'] }, top('http://a.test/x#part')), 'what comes after # does not count')
})

t.test('a content script runs in frames, and in pages without an address, only where its manifest says so', async t => {
  const frame: Frame = { url: 'http://a.test/', isTop: false }
  t.notOk(runs({ matches: ['http://*/*'] }, frame))
  t.ok(runs({ matches: ['http://*/*'], all_frames: true }, frame))
  const blank: Frame = { url: 'about:blank', isTop: true, from: 'http://a.test/' }
  t.notOk(runs({ matches: ['http://*/*'] }, blank))
  t.ok(runs({ matches: ['http://*/*'], match_about_blank: true }, blank))
  t.notOk(runs({ matches: ['http://b.test/*'], match_about_blank: true }, blank))
  t.notOk(runs({ matches: ['http://*/*'], match_about_blank: true }, top('about:blank')), 'opened by nobody')
  t.ok(looksIntoFrames(parseManifest('{"content_scripts":[{"matches":[],"all_frames":true}]}')))
})
