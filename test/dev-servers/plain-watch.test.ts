import { spawn } from 'node:child_process'
import { appendFileSync, copyFileSync, cpSync, linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { freePort } from '#support/servers/free-port.ts'
import { eventually } from '#support/servers/server.ts'

interface Changes { version: number, ok: boolean, changed: string[], manifest?: string, problems: { kind: string, message: string, file?: string, line?: number }[] }

const MANIFEST = {
  manifest_version: 3,
  name: 'x',
  version: '1',
  background: { service_worker: 'sw/worker.js' },
  content_scripts: [{ matches: ['http://*/*'], js: ['/content.js'], css: ['content.css'] }],
  action: { default_popup: 'popup.html' },
  options_page: 'options.html',
  icons: { 16: 'icon.png' }
}
const FILES = {
  'manifest.json': JSON.stringify(MANIFEST),
  'sw/worker.js': 'importScripts("lib.js", "/shared.js"); chrome.action.setPopup({ popup: "popup.html" })',
  'sw/lib.js': '',
  'shared.js': '',
  'content.js': 'fetch(chrome.runtime.getURL("data.json"))',
  'content.css': '',
  'data.json': '{}',
  'icon.png': '',
  'popup.html': '<script src="popup.js"></script><link rel="stylesheet" href=\'popup.css\'>',
  'popup.js': 'import "./parts/part.js"',
  'parts/part.js': '',
  'popup.css': 'body { background: url(back.png) }',
  'back.png': '',
  'options.html': '<p>',
  'README.md': '',
  'computed.js': ''
}

/** The watcher on a folder with these files. */
async function watch (t: Test, files: Record<string, string>) {
  const home = mkdtempSync(join(tmpdir(), 'ex10-watch-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true }))
  const folder = join(home, 'extension')
  const write = (name: string, content: string) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  for (const [name, content] of Object.entries(files)) write(name, content)
  const store = join(home, 'store') // as set-up makes it
  cpSync('dev-servers/plain', store, { recursive: true })
  copyFileSync('dev-servers/start.html', join(store, 'start.html'))
  const port = await freePort()
  const child = spawn('/usr/bin/python3', ['-I', '-S', '-B', join(store, 'watch.py'), '--port', String(port), 'extension'], { env: { HOME: home }, stdio: ['ignore', 'ignore', 'inherit'] })
  t.teardown(() => { child.kill() })
  const ask = async (after: number, wait = 0) => await (await fetch(`http://127.0.0.1:${port}/changes?after=${after}&wait=${wait}`)).json() as Changes
  await eventually('the watcher', () => fetch(`http://127.0.0.1:${port}/`).then(({ ok }) => ok, () => false))
  let { version } = await ask(0)
  /** What changed since the last call, without waiting. */
  const changed = async () => {
    const changes = await ask(version)
    version = changes.version
    return changes.changed
  }
  return { home, folder, write, ask, changed, version: () => version }
}

t.test('what a change concerns: all that Chromium loads, or only pages, which it reads each time', async t => {
  const { folder, write, ask, changed } = await watch(t, FILES)
  t.match(await ask(0), { ok: true, changed: ['loaded'], manifest: FILES['manifest.json'], problems: [] }, 'at first, everything')
  t.strictSame(await changed(), [], 'nothing changed')
  const concerns: Record<string, string[]> = {
    'manifest.json': ['loaded'],
    'sw/worker.js': ['loaded'],
    'sw/lib.js': ['loaded'],
    'shared.js': ['loaded'],
    'content.js': ['loaded'],
    'content.css': ['loaded'],
    'data.json': ['loaded'],
    'icon.png': ['loaded'],
    '_locales/en/messages.json': ['loaded'],
    'computed.js': ['loaded'],
    'popup.html': ['pages'],
    'popup.js': ['pages'],
    'parts/part.js': ['pages'],
    'popup.css': ['pages'],
    'back.png': ['pages'],
    'options.html': ['pages'],
    'README.md': []
  }
  for (const [name, parts] of Object.entries(concerns)) {
    write(name, `${FILES[name as keyof typeof FILES] ?? '{}'} `)
    t.strictSame(await changed(), parts, name)
  }
  write('popup.html', `${FILES['popup.html']} `)
  t.strictSame(await changed(), [], 'the same content again is no change')
  rmSync(join(folder, 'popup.css'))
  t.strictSame(await changed(), ['pages'], 'a file that is deleted')
  write('_metadata/generated_indexed_rulesets/_ruleset1', 'x')
  t.strictSame(await changed(), [], 'what Chromium writes itself')
  write('.git/index', 'x')
  t.strictSame(await changed(), [], 'what git writes for itself')
})

t.test('a change by any means is noticed within 50 ms, and one that goes on is told of once it is over', async t => {
  const { home, folder, write, ask, version } = await watch(t, FILES)
  const ways: Record<string, () => void> = {
    'a file written in place': () => appendFileSync(join(folder, 'content.js'), '// 1'),
    'one renamed over another': () => { writeFileSync(join(home, 'new'), '// 2'); renameSync(join(home, 'new'), join(folder, 'content.js')) },
    'a folder made, with a file in it': () => write('a/b/c.js', '// 3'),
    'a folder moved': () => renameSync(join(folder, 'a'), join(folder, 'd')),
    'a folder deleted': () => rmSync(join(folder, 'd'), { recursive: true }),
    'a hard link': () => linkSync(join(folder, 'content.js'), join(folder, 'e.js')),
    'a symbolic link': () => symlinkSync('content.js', join(folder, 'f.js')),
    'a link to a folder, and a file': () => { symlinkSync('sw', join(folder, 'link.js')); write('g.js', '// 4') }
  }
  let after = version()
  const times: number[] = []
  for (const [way, change] of Object.entries(ways)) {
    const asked = ask(after, 5000)
    await ask(after) // the other request waits by now
    const startedAt = performance.now()
    change()
    const changes = await asked
    times.push(performance.now() - startedAt)
    t.strictSame(changes.changed, ['loaded'], way)
    after = changes.version
  }
  t.ok(Math.min(...times) < 50, `noticed after ${times.map(Math.round).join(', ')} ms`)

  cpSync(folder, join(home, 'other'), { recursive: true })
  renameSync(folder, join(home, 'old'))
  renameSync(join(home, 'other'), folder)
  writeFileSync(join(folder, 'content.js'), '// another')
  const moved = await ask(after)
  t.ok(moved.changed.includes('loaded'), 'another folder in the place of the whole')
  after = moved.version
  writeFileSync(join(folder, 'content.js'), '// and another')
  after = (await ask(after)).version
  t.ok(after > moved.version, 'and what changes in it from then on')

  const asked = ask(after, 5000)
  await ask(after)
  for (let n = 0; n < 6; n++) writeFileSync(join(folder, 'content.js'), `// ${n}`)
  let told = await asked
  let changes = 0
  while (told.changed.length > 0) {
    changes++
    told = await ask(told.version)
  }
  t.ok(changes <= 2, `six writes in a row are one change, or two where the machine pauses between them: ${changes}`)
})

t.test('files that a plain extension cannot run are told of in one sentence with the remedy', async t => {
  const manifest = (changes: object) => JSON.stringify({ ...MANIFEST, ...changes })
  const cases: [what: string, files: Record<string, string>, problem: object][] = [
    ['a project', { 'package.json': '{}', 'src/main.ts': '' }, { kind: 'wrong-template', file: 'package.json', message: /template=project, or push the built folder/ }],
    ['a manifest elsewhere', { 'src/manifest.json': '{}' }, { kind: 'wrong-template', file: 'src/manifest.json', message: /template=project/ }],
    ['TypeScript', { 'manifest.json': manifest({ background: { service_worker: 'worker.ts' } }), 'worker.ts': '' }, { kind: 'wrong-template', file: 'worker.ts', message: /template=typescript/ }],
    ['a package', { ...FILES, 'popup.js': '\nimport { render } from "preact"\n' }, { kind: 'wrong-template', file: 'popup.js', line: 2, message: /"preact".*template=project/ }],
    ['a page that is not there', { ...FILES, 'manifest.json': manifest({ options_page: 'gone.html' }) }, { kind: 'missing-file', file: 'manifest.json', message: /gone\.html/ }],
    ['a script that is not there', { ...FILES, 'popup.html': '<!-- <script src="old.js"></script> --><script src="gone.js"></script>' }, { kind: 'missing-file', file: 'popup.html', message: /gone\.js/ }]
  ]
  for (const [what, files, problem] of cases) {
    const { ask } = await watch(t, files)
    t.match((await ask(0)).problems, [problem], what)
  }
  const { ask } = await watch(t, {
    'manifest.json': `\uFEFF// a comment\n${manifest({ options_page: '/options.html' })}`,
    'options.html': '<script src="a%20b.js"></script><script src=\'https://cdn.test/x.js\'></script><link href="c d.css?v=1#x">',
    'popup.html': '',
    'a b.js': 'const text = `\nimport x`\nimport("./popup.html")\nimport(chrome.runtime.getURL("x.js"))',
    'c d.css': ''
  })
  t.strictSame((await ask(0)).problems, [], 'control: what is all right is not told of')
})
