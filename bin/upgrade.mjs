// Upgrades Ex10 to the newest commit of the branch that its folder follows: pull, set-up, restart, audit. Prints each step, and
// stops at the first that fails. The new version is set up in a folder of its own first. While that may fail, the
// present version stays as it is, and its server runs on. Live sessions outlive the restart (EX10_ON_SHUTDOWN=keep).
// Needs only Node 20.
//   npm run upgrade [-- --root DIR]     --root: where systemd's files are, for tests
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readSettings } from './settings-file.mjs'

const USAGE = 'usage: npm run upgrade'
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
/** Where the new version is set up: on the same file system as its later place. */
const TRIAL = join(ROOT, '.upgrade')
const READY_MS = 120_000
const POLL_MS = 500

/** A step has failed. The message says what to do. */
class Failed extends Error {}

try {
  const { help, root } = options()
  if (help) console.log(USAGE)
  else await upgrade(root)
} catch (error) {
  console.error(error instanceof Failed ? `ex10: ${error.message}` : error.stack)
  process.exitCode = 1
}

function options () {
  try {
    return parseArgs({ options: { help: { type: 'boolean', short: 'h' }, root: { type: 'string', default: '/' } } }).values
  } catch (error) {
    throw new Failed(`${error.message.split(/\.\s/)[0]}\n${USAGE}`)
  }
}

async function upgrade (root) {
  if (process.getuid() !== 0) throw new Failed('root is needed to set up the new version: run this command as root, for example with sudo')
  const env = { ...process.env, ...readSettings(join(root, 'etc/ex10/ex10.env')) }
  const { old, wanted } = fetchCommits()
  if (old === wanted) console.log('This is the newest version. The rest is done all the same')
  else pull(old, wanted, env)
  say('set-up')
  const again = `"node bin/setup.mjs" in ${ROOT}`
  if (run(process.execPath, ['bin/setup.mjs'], { env }) !== 0) throw new Failed(`the set-up of the new version failed: see the message above, then try ${again}. The old version's server was not touched`)
  await restart(root, env, old)
  say('audit')
  if (run(join(ROOT, 'node_modules/.bin/node'), ['bin/audit.mjs'], { env }) !== 0) throw new Failed('the audit found something, or failed: see above. The server removes leaked things by itself within a minute: "npm run audit" looks again')
  console.log('\nThe upgrade is done')
}

/** The present commit, and the newest one of the upstream branch. */
function fetchCommits () {
  say('pull')
  const isCheckout = existsSync(join(ROOT, '.git'))
  if (!isCheckout) throw new Failed(`${ROOT} is no git checkout: unpack the new version over it, then run "node bin/setup.mjs" and restart the server`)
  const upstream = git(['rev-parse', '--abbrev-ref', '--symbolic-full-name', '@{upstream}'], 'the branch here follows no other, or git refuses (see above): "git branch --set-upstream-to=origin/main", then try again')
  git(['fetch', '--quiet'], 'the newest commits could not be fetched: see the message above; check the network, then try again')
  const [old, wanted] = [git(['rev-parse', 'HEAD']), git(['rev-parse', upstream])]
  const changed = git(['status', '--porcelain', '--untracked-files=no'])
  if (changed !== '') throw new Failed(`files of the project were changed here: "git stash", or commit them, then try again\n${changed}`)
  if (spawnSync('git', ['merge-base', '--is-ancestor', old, wanted], { cwd: ROOT }).status !== 0) throw new Failed(`the branch here has commits that ${upstream} lacks: "git rebase", then try again`)
  return { old, wanted }
}

/** Sets the new version up in a folder of its own, and moves here to it when that went well. */
function pull (old, wanted, env) {
  removeTrial()
  try {
    git(['worktree', 'add', '--quiet', '--force', '--detach', TRIAL, wanted], 'the new version could not be checked out: see the message above')
    const hasNewModules = lockOf(TRIAL) !== installedLock()
    if (!hasNewModules) symlinkSync(join(ROOT, 'node_modules'), join(TRIAL, 'node_modules'))
    if (run(process.execPath, ['bin/setup.mjs'], { cwd: TRIAL, env }) !== 0) throw new Failed('the new version cannot be set up: see the message above. Nothing has changed: the old version is in its place, and its server runs on')
    git(['merge', '--quiet', '--ff-only', wanted], 'the new version could not be put in its place: see the message above. The old version is in its place')
    if (hasNewModules) {
      if (existsSync(join(ROOT, 'node_modules'))) renameSync(join(ROOT, 'node_modules'), join(TRIAL, 'node_modules.old'))
      renameSync(join(TRIAL, 'node_modules'), join(ROOT, 'node_modules'))
    }
  } finally {
    removeTrial()
  }
  console.log(git(['log', '--oneline', '--no-decorate', '--max-count=20', `${old}..${wanted}`]))
}

function lockOf (folder) {
  return createHash('sha256').update(readFileSync(join(folder, 'package-lock.json'))).digest('hex')
}

/** The lock that the modules here were installed from, as set-up has noted it; undefined when it has not. */
function installedLock () {
  const stamp = join(ROOT, 'node_modules', '.ex10-setup')
  return existsSync(stamp) ? readFileSync(stamp, 'utf8') : undefined
}

function removeTrial () {
  rmSync(TRIAL, { recursive: true, force: true }) // a link to node_modules is removed, not what it leads to
  git(['worktree', 'prune'])
}

async function restart (root, env, old) {
  say('restart')
  const back = `to go back: git reset --keep ${old.slice(0, 12)} && node bin/setup.mjs, then restart`
  if (!existsSync(join(root, 'run/systemd/system')) || !existsSync(join(root, 'etc/systemd/system/ex10.service'))) {
    console.log('No service ex10 is installed here: restart the server yourself. Started with EX10_ON_SHUTDOWN=keep, it leaves its sessions to the next one: end it with SIGTERM, then "npm start"')
    return
  }
  if (run(process.execPath, ['bin/service.mjs', ...root === '/' ? [] : ['--root', root]], { env }) !== 0) throw new Failed(`the unit could not be written: see the message above; ${back}`)
  if (run('systemctl', ['restart', 'ex10'], { env }) !== 0) throw new Failed(`the service could not be restarted: "systemctl status ex10" says why; ${back}`)
  const { EX10_PORT: port = 3001, EX10_HOST: host = '127.0.0.1' } = env
  const url = `http://${{ '0.0.0.0': '127.0.0.1', '::': '[::1]' }[host] ?? (host.includes(':') ? `[${host}]` : host)}:${port}/health`
  if (!await answers(url)) throw new Failed(`the new server does not answer at ${url}: "journalctl --unit ex10" says why; live sessions wait for it; ${back}`)
  console.log(`The new server answers at ${url}`)
}

async function answers (url) {
  for (const until = performance.now() + READY_MS; performance.now() < until; await delay(POLL_MS)) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5000) }).catch(() => undefined) // it is starting
    if (answer?.ok) return true
  }
  return false
}

function say (step) {
  console.log(`\n== ${step}`)
}

function run (command, args, { cwd = ROOT, env }) {
  return spawnSync(command, args, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'] }).status
}

/** @throws {Failed} with `otherwise`, below git's own message */
function git (args, otherwise = `"git ${args.join(' ')}" failed: see the message above`) {
  const { status, stdout } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  if (status !== 0) throw new Failed(otherwise)
  return stdout.trim()
}
