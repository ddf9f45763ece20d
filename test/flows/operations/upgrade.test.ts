import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { read } from '#support/servers/client.ts'
import { freePort } from '#support/servers/free-port.ts'
import { assertEndsClean, listSessions, next, serve } from '#support/servers/creation.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { createSession, endSession, eventually, TEST_DATA, testEnv, type Server } from '#support/servers/server.ts'

interface Ran { code: number, stdout: string, stderr: string }

const git = (folder: string, ...args: string[]) => execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@test', '-c', 'init.defaultBranch=main', ...args], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()

/** This project in a repository of its own, as `upstream`, and a checkout of that, as `here`, with the modules of this project. */
function aCheckout (t: Test): { folder: string, upstream: string, here: string, root: string } {
  const folder = mkdtempSync(`${TEST_DATA}/upgrade-`)
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const [upstream, here, root] = [`${folder}/upstream`, `${folder}/here`, `${folder}/root`]
  const files = git('.', 'ls-files', '--cached', '--others', '--exclude-standard', '-z').split('\0').filter(file => file !== '' && existsSync(file) && !/^(test|docs)\//.test(file))
  for (const file of files) cpSync(file, `${upstream}/${file}`)
  git(upstream, 'init', '--quiet')
  git(upstream, 'add', '.')
  git(upstream, 'commit', '--quiet', '-m', 'the old version')
  git(folder, 'clone', '--quiet', upstream, here)
  symlinkSync(`${process.cwd()}/node_modules`, `${here}/node_modules`)
  mkdirSync(`${root}/run/systemd/system`, { recursive: true })
  return { folder, upstream, here, root }
}

/** Changes a file upstream, in a commit of its own. */
function commitUpstream (upstream: string, file: string, change: (text: string) => string): string {
  writeFileSync(`${upstream}/${file}`, change(readFileSync(`${upstream}/${file}`, 'utf8')))
  git(upstream, 'commit', '--quiet', '--all', '-m', `a change of ${file}`)
  return git(upstream, 'rev-parse', 'HEAD')
}

/** `npm run upgrade`. `path` is searched for programs first. */
async function upgrade ({ here, root }: { here: string, root: string }, path = ''): Promise<Ran> {
  try {
    const ran = await promisify(execFile)(process.execPath, ['bin/upgrade.mjs', '--root', root], { cwd: here, env: { PATH: `${path}:${process.env.PATH}` } })
    return { code: 0, ...ran }
  } catch (error) {
    const { code, stdout, stderr } = error as Ran
    return { code, stdout, stderr }
  }
}

function writeSettings (root: string, env: Record<string, string>): void {
  mkdirSync(`${root}/etc/ex10`, { recursive: true })
  writeFileSync(`${root}/etc/ex10/ex10.env`, Object.entries(env).map(([name, value]) => `${name}=${value}\n`).join(''))
}

/** A stand-in for systemd's systemctl, which does not run here: it says that it was called, and waits until the test has done what it would do. */
function standInSystemctl (folder: string): { path: string, called: string, done: string } {
  const [path, called, done] = [`${folder}/programs`, `${folder}/called`, `${folder}/done`]
  mkdirSync(path)
  writeFileSync(`${path}/systemctl`, `#!/bin/sh\necho "$@" >${called}.new\nmv ${called}.new ${called}\nwhile [ ! -e ${done} ]; do sleep 0.1; done\n`)
  chmodSync(`${path}/systemctl`, 0o755)
  return { path, called, done }
}

const versionOf = async (server: Server) => (await read(server, '/health')).version

t.test('an upgrade to a new commit restarts the service with its session alive; one that cannot be set up leaves everything as it was', async t => {
  const place = aCheckout(t)
  const { folder, upstream, here, root } = place
  const inHere = { prefix: ['env', `--chdir=${here}`] }
  const server = await serve(t, { ...lightDisplay(), EX10_ON_SHUTDOWN: 'keep', EX10_PORT: String(await freePort()) }, inHere)
  writeSettings(root, server.env)
  execFileSync(process.execPath, ['bin/service.mjs', '--root', root], { cwd: here })
  const { id } = await createSession(server)
  t.teardown(() => endSession(server, id).catch(() => {})) // a failed test must not keep it
  t.equal(await versionOf(server), '0.1.0')

  const old = git(here, 'rev-parse', 'HEAD')
  commitUpstream(upstream, 'bin/setup.mjs', text => `console.error('ex10: of a test')\nprocess.exit(1)\n${text}`)
  const failed = await upgrade(place)
  t.match(failed, { code: 1, stdout: /^\n== pull\n/, stderr: /^ex10: of a test\nex10: the new version cannot be set up: .*its server runs on\n$/ })
  t.equal(git(here, 'rev-parse', 'HEAD'), old, 'the old version is in its place')
  t.equal(git(here, 'status', '--porcelain', '--untracked-files=no'), '')
  t.notOk(readdirSync(here).includes('.upgrade'))
  t.match(await listSessions(server), [{ id, state: 'ready' }], 'its server runs on')

  commitUpstream(upstream, 'bin/setup.mjs', text => text.replace(/^.*\n.*\n/, ''))
  const wanted = commitUpstream(upstream, 'package.json', text => text.replace('"version": "0.1.0"', '"version": "0.1.1"'))
  const { path, called, done } = standInSystemctl(folder)
  const upgraded = upgrade(place, path)
  await eventually('a restart', () => existsSync(called), 120_000)
  t.equal(readFileSync(called, 'utf8'), 'restart ex10\n')
  t.equal(await server.stop(), 0)
  server.env.EX10_ON_SHUTDOWN = 'end'
  const second = await next(t, server, inHere)
  writeFileSync(done, '')
  const { code, stdout, stderr } = await upgraded
  t.match({ code, stderr }, { code: 0, stderr: '' }, stdout)
  t.match(stdout, /^\n== pull\n[^]*a change of package\.json\n[^]*\n== set-up\n[^]*\n== restart\n[^]*The new server answers at [^]*\n== audit\n[^]*"leaked": \[\][^]*The upgrade is done\n$/, 'it says each step')
  t.equal(git(here, 'rev-parse', 'HEAD'), wanted)
  t.equal(await versionOf(second), '0.1.1', 'the new version serves')
  t.match(await listSessions(second), [{ id, state: 'ready' }], 'and has the session of the old one')
  await assertEndsClean(t, second)
})

t.test('an upgrade that cannot begin says why, and one without a service says what to do', async t => {
  const place = aCheckout(t)
  const { upstream, here, root } = place
  rmSync(`${root}/run`, { recursive: true })
  const env = testEnv()
  t.teardown(() => rmSync(env.EX10_DATA_DIR!, { recursive: true, force: true }))
  writeSettings(root, env)
  const wanted = commitUpstream(upstream, 'LICENSE', text => `${text}\n`)
  writeFileSync(`${here}/README.md`, 'changed here')
  t.match(await upgrade(place), { code: 1, stderr: /^ex10: files of the project were changed here: "git stash"/ })
  git(here, 'checkout', '--quiet', '--', 'README.md')
  t.match(await upgrade(place), { code: 0, stderr: '', stdout: /No service ex10 is installed here: restart the server yourself/ })
  t.equal(git(here, 'rev-parse', 'HEAD'), wanted)
  writeFileSync(`${here}/LICENSE`, '')
  git(here, 'commit', '--quiet', '--all', '-m', 'of our own')
  commitUpstream(upstream, 'LICENSE', () => 'another')
  t.match(await upgrade(place), { code: 1, stderr: /^ex10: the branch here has commits that origin\/main lacks/ })
  git(here, 'checkout', '--quiet', '--detach')
  t.match(await upgrade(place), { code: 1, stderr: /the branch here follows no other/ })
  rmSync(`${here}/.git`, { recursive: true })
  t.match(await upgrade(place), { code: 1, stderr: /is no git checkout: unpack the new version over it/ })
})
