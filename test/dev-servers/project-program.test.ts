import { execFileSync } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { ProjectProgram, STORE } from '#support/code/project-program.ts'
import { eventually } from '#support/servers/server.ts'

const MANIFEST = JSON.stringify({ manifest_version: 3, name: 'Built', version: '1.0' })
/** How long the processes sleep that these tests start: they are found by it. */
const SLEEP = 1_000_000 + process.pid
const packageOf = (scripts: Record<string, string>, more: object = {}) => JSON.stringify({ name: 'a-project', version: '1.2.3', scripts, ...more })
/** A build that copies src to a folder. */
const copyTo = (folder: string, more = '') => `require('node:fs').cpSync('src', '${folder}', { recursive: true })\n${more}`

const project = (more: Record<string, string> = {}) => ({
  'package.json': packageOf({ build: 'node build.cjs' }),
  'build.cjs': copyTo('dist'),
  'src/manifest.json': MANIFEST,
  'src/content.js': 'first',
  ...more
})

t.test('a change of the sources by any program is built and told of without being asked for; the same again is not', async t => {
  const program = await ProjectProgram.start(t, project())
  t.match(await program.changes(), { ok: true, changed: ['loaded'], manifest: MANIFEST, problems: [] })
  const waiting = program.next()
  await delay(100)
  program.write({ 'src/content.js': 'second' })
  t.match(await waiting, { ok: true, changed: ['loaded'], problems: [] })
  t.equal(program.built('content.js'), 'second')
  program.write({ 'src/popup.html': '<p>', 'src/content.js': 'second' })
  t.strictSame((await program.changes()).changed, ['pages'], 'pages are read from disk by Chromium')
  const { version } = await program.next(100)
  t.strictSame(await program.changes().then(({ version: now, changed }) => ({ now, changed })), { now: version, changed: [] })
  t.equal(program.count('> npm run build'), 3)
  const asked: Record<string, string>[] = [{}, { origin: 'https://page.test' }, { 'sec-fetch-site': 'cross-site' }]
  const statuses = await Promise.all(asked.map(headers => program.status(headers)))
  t.strictSame(statuses, [200, 403, 403], 'pages in the browser can have nothing built')
})

t.test('a build under way is ended, with all that it has started, when newer sources come', async t => {
  const sleeps = `require('node:child_process').spawn('setsid', ['sleep', '${SLEEP}'], { stdio: 'inherit' })\nsetTimeout(() => {}, 60_000)`
  const program = await ProjectProgram.start(t, project({ 'build.cjs': sleeps }))
  await eventually('the build runs', () => sleepers().length > 0)
  program.write({ 'build.cjs': copyTo('dist') })
  t.match(await program.changes(), { ok: true, problems: [] })
  t.equal(program.count('given up: the sources have changed'), 1)
  t.strictSame(sleepers(), [], 'none of its processes is left')
})

t.test('a command that does not end in its time is ended, with all that it has started, and told of', async t => {
  const { runCommand } = await import(`${STORE}/command.mjs`)
  const { failure } = await import(`${STORE}/diagnostics.mjs`)
  const result = await runCommand(['sh', '-c', `setsid sleep ${SLEEP}; true`], { cwd: '/', env: process.env, timeoutMs: 200, signal: new AbortController().signal })
  t.equal(result.timedOut, true)
  t.strictSame(sleepers(), [])
  t.match(failure('build', 'npm run build', result, { root: '/', limitMs: 300_000 }).problems, [{ message: /^npm run build did not end within 5 minutes; .* belongs in "dev" of ex10.json/ }])
})

t.test('what a build leaves running is ended, also when the program itself was killed', async t => {
  const leaves = copyTo('dist', `require('node:child_process').spawn('sleep', ['${SLEEP}'], { detached: true, stdio: 'ignore' }).unref()`)
  const program = await ProjectProgram.start(t, project({ 'build.cjs': leaves }))
  await program.changes()
  t.strictSame(sleepers(), [])
  program.write({ 'build.cjs': `require('node:child_process').spawnSync('sleep', ['${SLEEP}'])` })
  await eventually('the build runs', () => sleepers().length > 0)
  await program.end('SIGKILL')
  program.write({ 'build.cjs': copyTo('dist') })
  await program.raise()
  await program.changes()
  t.strictSame(sleepers(), [])
})

/** Pids of the processes that the builds of this test start. */
function sleepers (): string[] {
  try {
    return execFileSync('pgrep', ['-fx', `sleep ${SLEEP}`], { encoding: 'utf8' }).trim().split('\n')
  } catch {
    return [] // none
  }
}

t.test('the extension is found wherever the build puts it, by one build', async t => {
  const program = await ProjectProgram.start(t, project({ 'build.cjs': copyTo('release/chrome') }))
  t.match(await program.changes(), { ok: true, problems: [] })
  t.equal(program.built('content.js'), 'first')
  t.equal(program.count('> npm run build'), 1)
  program.write({ 'build.cjs': copyTo('builds/firefox-mv3', "require('node:fs').cpSync('src', 'builds/chrome-mv3', { recursive: true })\nrequire('node:fs').writeFileSync('builds/chrome-mv3/which.txt', 'chrome')") })
  await program.changes()
  t.equal(program.built('which.txt'), 'chrome', 'of two, the one for Chromium')
})

t.test('files that a build does not make any more are gone from the extension', async t => {
  const program = await ProjectProgram.start(t, project({ 'src/_locales/en/messages.json': '{}', 'build.cjs': "require('node:fs').rmSync('dist', { recursive: true, force: true })\n" + copyTo('dist') }))
  await program.changes()
  t.equal(program.built('_locales/en/messages.json'), '{}')
  execFileSync('rm', ['-r', `${program.project}/src/_locales`])
  t.strictSame((await program.changes()).changed, ['loaded'])
  t.equal(program.built('_locales'), undefined, 'with their folders: Chromium refuses an empty one of this name')
})

t.test('a build that writes into its own sources comes to rest, and what a person writes meanwhile is built', async t => {
  const writes = (text: string) => `require('node:fs').writeFileSync('src/generated.js', ${text})\n` + copyTo('dist')
  const program = await ProjectProgram.start(t, project({ 'build.cjs': writes("'always the same'") }))
  await program.changes()
  t.equal(program.built('generated.js'), 'always the same')
  t.ok(program.count('> npm run build') <= 2, 'it is built once more at most')

  program.write({ 'build.cjs': writes('String(Math.random())') })
  t.match(await program.changes(), { ok: true })
  t.ok(program.lines.some(line => line.startsWith('the build itself writes src/generated.js')))
  const builds = program.count('> npm run build')
  program.write({ 'src/content.js': 'a change by a person' })
  t.match(await program.changes(), { ok: true })
  t.equal(program.built('content.js'), 'a change by a person')
  t.equal(program.count('> npm run build'), builds + 1, 'which is one build')

  program.write({ 'build.cjs': writes('String(Math.random())').replaceAll('src/generated', "src/' + performance.now() + '") })
  await eventually('it waits', () => program.lines.some(line => line.startsWith('the sources change with every build')), 20_000)
  program.write({ 'src/content.js': 'another', 'build.cjs': copyTo('dist') })
  t.match(await program.changes(), { ok: true })
  t.equal(program.built('content.js'), 'another', 'also of a build that writes something else each time')
})

t.test('folders that .gitignore names are no sources', async t => {
  const zips = "require('node:fs').mkdirSync('zips', { recursive: true })\nrequire('node:fs').writeFileSync('zips/all.zip', String(Math.random()))\n" + copyTo('dist')
  const program = await ProjectProgram.start(t, project({ 'build.cjs': zips, '.gitignore': '# made\n/zips/\n*.log\n' }))
  await program.changes()
  program.write({ 'zips/all.zip': 'by hand' })
  await program.changes()
  t.equal(program.count('> npm run build'), 1)
})

t.test('ex10.json names the command and the output, and is told of when it is wrong', async t => {
  const program = await ProjectProgram.start(t, project({ 'ex10.json': JSON.stringify({ build: ['node', 'build.cjs'], output: 'dist' }), 'package.json': packageOf({}) }))
  t.match(await program.changes(), { ok: true, problems: [] })
  for (const [settings, message] of [
    ['{"build": 1}', '"build" must be the name of a script'], ['{"output": "../other"}', '"output" must be a folder, relative to the project'],
    ['{"watch": "x"}', 'there is no setting "watch"'], ['{', 'ex10.json is not valid JSON'],
    ['{"build": "absent"}', 'package.json has no script "absent"'], ['{"build": ["no-such-program"]}', 'no-such-program cannot be started'],
    ['{"build": ["true"], "output": "nowhere"}', 'no manifest.json in nowhere']
  ] as const) {
    program.write({ 'ex10.json': settings })
    const { ok, problems } = await program.changes()
    t.match({ ok, problems }, { ok: false, problems: [{ kind: 'build-error', context: 'build', message: new RegExp(message) }] }, settings)
  }
  t.equal(program.built('content.js'), 'first', 'the last good build stays')
})

t.test('a command that watches by itself is kept running, and what it writes is loaded', async t => {
  const watcher = `const { watch, cpSync, readFileSync } = require('node:fs')
    const build = () => {
      if (readFileSync('src/content.js', 'utf8').includes('wrong')) console.error('Error: wrong\\n  at src/content.js:1:2')
      else cpSync('src', 'made', { recursive: true })
    }
    build()
    watch('src', build)`
  const program = await ProjectProgram.start(t, project({ 'watch.cjs': watcher, 'ex10.json': JSON.stringify({ dev: ['node', 'watch.cjs'], output: 'made' }) }))
  t.match(await program.changes(), { ok: true, problems: [] })
  program.write({ 'src/content.js': 'second' })
  t.match(await program.next(), { ok: true, changed: ['loaded'] })
  t.equal(program.built('content.js'), 'second')
  program.write({ 'src/content.js': 'wrong' })
  t.match(await program.next(), { ok: false, problems: [{ kind: 'build-error', message: 'Error: wrong', file: 'src/content.js', line: 1 }] })
  program.write({ 'src/content.js': 'third' })
  t.match(await program.next(), { ok: true, problems: [] })
  t.equal(program.built('content.js'), 'third')
  t.equal(program.count('> node watch.cjs'), 1, 'by the same process')
  program.write({ 'ex10.json': JSON.stringify({ dev: ['node', '-e', 'process.exit(3)'], output: 'made' }) })
  t.match(await program.changes(), { ok: false, problems: [{ kind: 'build-error', message: /ended with exit code 3/ }] })
})

t.test('what is wrong is said in one text: the tool\'s own words, without paths of the machine, with file and line', async t => {
  const program = await ProjectProgram.start(t, { 'package.json': '{' })
  t.match((await program.changes()).problems, [{ file: 'package.json', message: /package.json is not valid JSON/ }])
  program.write({ 'package.json': null, 'readme.md': 'nothing else' })
  t.match((await program.changes()).problems, [{ message: /There is no package.json/ }])
  program.write({ 'package.json': packageOf({}) })
  t.match((await program.changes()).problems, [{ file: 'package.json', message: /no script "build".*ex10.json/ }])
  const says = (text: string, end = 'process.exit(1)') => ({ 'package.json': packageOf({ build: 'node say.cjs' }), 'say.cjs': `console.error(${JSON.stringify(text)})\n${end}`, 'src/a.ts': 'const a' })
  for (const [text, problems] of [
    ['src/a.ts(3,5): error TS2322: Type A is not B\nsrc/a.ts(4,1): error TS1005: expected', [
      { file: 'src/a.ts', line: 3, column: 5, message: 'TS2322: Type A is not B' }, { file: 'src/a.ts', line: 4, column: 1, message: 'TS1005: expected' }]],
    [`\u001b[31mError: Cannot parse\u001b[0m\n  at ${program.project}/src/a.ts:7:2\n    at Object.x (node:internal/x:1:1)`, [{ message: 'Error: Cannot parse', file: 'src/a.ts', line: 7, column: 2 }]],
    ['first\nlast words', [{ message: 'first\nlast words' }]],
    ['', [{ message: 'npm run build ended with exit code 1' }]]
  ] as const) {
    program.write(says(text))
    t.strictSame((await program.changes()).problems, problems.map(problem => ({ kind: 'build-error', context: 'build', ...problem })), JSON.stringify(text))
  }
  program.write(says('', "process.kill(process.pid, 'SIGKILL')"))
  t.match((await program.changes()).problems, [{ message: /was killed, most likely for want of memory/ }])
})

t.test('packages are installed when package.json or a lock file changes, and only then', async t => {
  const dependencies = { inner: 'file:./inner' }
  const program = await ProjectProgram.start(t, project({
    'package.json': packageOf({ build: 'node build.cjs' }, { dependencies }),
    'build.cjs': copyTo('dist', "require('node:fs').writeFileSync('dist/inner.js', String(require('inner')))"),
    'inner/package.json': JSON.stringify({ name: 'inner', version: '1.0.0', main: 'index.js' }),
    'inner/index.js': 'module.exports = process.env.npm_package_version'
  }))
  t.match(await program.changes(), { ok: true, problems: [] })
  t.equal(program.built('inner.js'), '1.2.3', 'and scripts are told what npm tells them')
  t.equal(program.count('installing packages: npm install'), 1, 'without a lock file')
  program.write({ 'src/content.js': 'second' })
  await program.changes()
  t.equal(program.lines.filter(line => line.startsWith('installing')).length, 1)
  program.write({ 'package.json': packageOf({ build: 'node build.cjs' }, { dependencies: { ...dependencies, other: 'file:./inner' } }) })
  t.match(await program.changes(), { ok: true, problems: [] })
  t.equal(program.count('installing packages: npm ci'), 1, 'by the lock file that the first one has made')
  t.equal(program.count('installing packages: npm install'), 2, 'which does not fit any more')
})

t.test('a registry that cannot be reached is told of within seconds', async t => {
  const program = await ProjectProgram.start(t, project({ 'package.json': packageOf({ build: 'true' }, { dependencies: { 'is-number': '7.0.0' } }) }), { EX10_NPM_REGISTRY: 'http://127.0.0.1:9/' })
  const startedAt = performance.now()
  const { ok, problems } = await program.changes()
  t.match({ ok, problems }, { ok: false, problems: [{ kind: 'build-error', context: 'install', message: /ECONNREFUSED/ }] })
  t.ok(performance.now() - startedAt < 25_000)
})
