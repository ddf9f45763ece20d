import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import t from 'tap'
import type { Problem } from '#schemas/problem.ts'
import { zip } from '#support/code/archives.ts'
import { openDevTools } from '#support/display/devtools.ts'
import type { Waited } from '#support/code/session-extension.ts'
import { read } from '#support/servers/client.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, eventually, pushCode } from '#support/servers/server.ts'

const PROJECTS = 'test/fixtures/projects'
const PAGE = 'http://page.test/'

// sessions reach no registry here: set-up has put what these projects install into the cache that they share
const EX10_NPM_REGISTRY = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim()
const server = await serve(t, { EX10_NPM_REGISTRY })
const session = await createSession(server, '?template=project')
const devTools = await openDevTools(t, server, session, 'extension-build')
const tab = await devTools.firstTab()

/** What is in the project, but for what it installs and builds. */
let files = filesIn('templates/project/extension')

function filesIn (folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  return Object.fromEntries(entries.map(({ parentPath, name }) => join(parentPath, name)).map(path => [relative(folder, path), readFileSync(path, 'utf8')]))
}

/** Pushes so that the project consists of these files, and waits for what comes of it. */
async function replace (wanted: Record<string, string>): Promise<Waited> {
  const gone = Object.keys(files).filter(path => wanted[path] === undefined).map(filePath => ({ filePath, delete: true }))
  const changed = Object.entries(wanted).filter(([path, content]) => files[path] !== content).map(([filePath, content]) => ({ filePath, content }))
  const response = await pushCode(server, { sessionId: session.id, wait: true, files: [...gone, ...changed] })
  if (response.status !== 200) throw new Error(`not pushed: ${response.status} ${await response.text()}`)
  files = wanted
  return await response.json() as Waited
}

/** Imports a project in the place of all that is there, and waits for what comes of it. */
async function bringIn (wanted: Record<string, string>): Promise<Waited> {
  const archive = zip(Object.entries(wanted).map(([name, content]) => ({ name, content })))
  const response = await fetch(`${server.url}/sessions/${session.id}/import?wait=1`, { method: 'POST', body: new Uint8Array(archive) })
  if (response.status !== 200) throw new Error(`not imported: ${response.status} ${await response.text()}`)
  files = wanted
  return await response.json() as Waited
}

const edit = (path: string, from: string, to: string) => replace({ ...files, [path]: files[path]!.replace(from, to) })

const problems = async (): Promise<Problem[]> => (await read(server, '/sessions/:id', { id: session.id })).problems

/** The last that builds and installations have printed. */
async function log (): Promise<string> {
  const { lines } = await read(server, '/sessions/:id/logs', { id: session.id, source: 'dev-server', tail: 60 })
  return lines.join('\n')
}

async function shows (text: string, selector = '#project'): Promise<void> {
  await eventually(`the open page shows ${text}`, () => tab.evaluate(`document.querySelector('${selector}')?.textContent === ${JSON.stringify(text)}`), 20_000)
}

t.test('a session of the template works at once, and a change of its sources is built and seen in the open page', async t => {
  await shows('Hello from my extension', '#my-extension')
  t.equal(await tab.evaluate('document.title'), 'Start', 'in the page that a session begins with')
  await tab.visit(PAGE, '<!doctype html><title>Page</title><p>a page')
  await shows('Hello from my extension', '#my-extension')
  t.notMatch(await log(), /npm run build/, 'what set-up has built is loaded as it is')
  const { loaded } = await edit('src/content-script.js', 'badge.textContent = greeting', 'badge.textContent = greeting + ", changed"')
  t.equal(loaded, true)
  await shows('Hello from my extension, changed', '#my-extension')
})

for (const [name, path, output] of [
  ['crxjs-react-ts', 'src/badge.tsx', 'vite v'], ['wxt', 'entrypoints/content.ts', '.output/chrome-mv3/manifest.json'], ['webpack', 'src/greeting.js', 'compiled successfully']
] as const) {
  t.test(`a project with ${name} is imported, installed without a network, built and loaded; a change is built and seen in the open page`, async t => {
    const { loaded, problems } = await bringIn(filesIn(join(PROJECTS, name)))
    t.strictSame({ loaded, problems }, { loaded: true, problems: [] })
    await shows(`built by ${name.split('-')[0]}`)
    const printed = await log()
    const told = printed.slice(printed.lastIndexOf('installing'))
    t.match(told, new RegExp(`^installing packages: npm ci\\n[^]*added \\d+ packages[^]*npm run build[^]*${output}`), 'the log tells of it')
    t.match(told, /\d requests, 0 of them to the registry\n/)
    t.notMatch(told, /[1-9] of them to the registry/)
    t.equal((await edit(path, 'built by', 'made by')).loaded, true)
    await shows(`made by ${name.split('-')[0]}`)
    t.equal(await tab.evaluate('document.querySelectorAll("#project").length'), 1, 'by one extension only')
  })
}

t.test('what the build refuses is said with its file and line, the last good extension stays, and the healed one is loaded', async t => {
  const right = files
  const { loaded, problems: found } = await edit('src/greeting.js', 'export', '\nconst = 1\nexport')
  t.equal(loaded, false)
  t.match(found, [{ kind: 'build-error', context: 'build', file: 'src/greeting.js', line: 2, message: /Unexpected token/ }])
  t.notMatch(JSON.stringify(found), /ex10_user_|node_modules|u001b/, 'without paths of the machine and marks for terminals')
  t.strictSame(await problems(), found)
  await tab.send('Page.reload')
  await shows('made by webpack')
  t.strictSame(await replace(right).then(({ loaded, problems }) => ({ loaded, problems })), { loaded: true, problems: [] })
  t.strictSame(await problems(), [])
})

t.test('a build that makes no extension says what to do', async t => {
  const right = files
  const build = { name: 'x', scripts: { build: 'node -e 1' } }
  const { loaded, problems: [problem] } = await replace({ 'package.json': JSON.stringify(build) })
  t.equal(loaded, false)
  t.match(problem, { kind: 'build-error', context: 'build', message: /made no folder with a manifest.json.*set "output" in ex10.json/ })
  t.equal((await replace(right)).loaded, true)
})

t.test('a build that takes all of the session\'s memory is ended before the browser, and it is said why', async t => {
  const pid = await devTools.browserPid()
  const right = files
  const greedy = { name: 'webpack-badge', scripts: { build: 'node -e "for (const all = [];;) all.push(Buffer.alloc(2 ** 26, 1))"' } }
  const { problems } = await replace({ 'package.json': JSON.stringify(greedy) })
  t.match(problems, [{ kind: 'build-error', context: 'build', message: /was killed, most likely for want of memory/ }])
  t.equal(await devTools.browserPid(), pid, 'the browser is the same')
  t.equal((await replace(right)).loaded, true)
})
