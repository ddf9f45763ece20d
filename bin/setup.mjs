// Sets up all that is missing to run Ex10: node_modules, Debian packages, the templates' dev servers. It checks the settings
// as soon as node_modules are installed, because the check uses them, and before it installs anything else.
// Needs only Node 20. A second run finds everything installed: it does no work and needs no network.
//   node bin/setup.mjs [--test | --stores]     --test: also sets up the needs of the tests
//                                              --stores: only the dev servers, for the build of an image (docker/Dockerfile)
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installPackages } from './debian.mjs'
import { fillNpmCache, npmCache } from './npm-cache.mjs'
import { unpackServers } from './unpack.mjs'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const DATA_DIR = process.env.EX10_DATA_DIR || '/var/lib/ex10'
const STAMP = '.ex10-setup' // a file in node_modules with the hash of its lock file

const USAGE = `usage: node bin/setup.mjs [--test | --stores]

Installs all that Ex10 needs and that is missing. With --test, also what its tests need. With --stores, only the dev servers.`
const words = process.argv.slice(2)
const isTest = words.includes('--test')

if (words.includes('--help') || words.includes('-h')) {
  console.log(USAGE)
  process.exit()
}
const problem = await setUp()
if (problem) {
  console.error(`ex10: ${problem}`)
  process.exit(1)
}

/** Returns an error line, or nothing on success. */
async function setUp () {
  try {
    return checkWords() ?? checkMachine() ?? (words.includes('--stores') ? undefined : installRest()) ?? installDevServers() ??
      (isTest ? unpackServers(DATA_DIR) ?? await fillNpmCache(join(ROOT, 'test/fixtures/projects'), DATA_DIR) : undefined)
  } catch (error) {
    if (error.code !== 'ENOSPC' && error.code !== 'EDQUOT') throw error
    return `the disk of ${dirname(error.dest ?? error.path ?? join(DATA_DIR, 'templates'))} is full: free some space there, then start again`
  }
}

function installRest () {
  return installModules(ROOT) ?? checkSettings() ?? installPackages({ test: isTest })
}

function checkWords () {
  const unknown = words.find(word => word !== '--test' && word !== '--stores')
  if (unknown !== undefined) return `unknown argument "${unknown}"\n${USAGE}`
}

function checkMachine () {
  if (Number(process.versions.node.split('.')[0]) < 20) return `Node ${process.versions.node} is too old: install Node 20 or newer`
  if (process.platform !== 'linux') return `${process.platform} is not supported: run Ex10 on Debian 12, or in a Debian 12 container`
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  if (!/^ID=debian$/m.test(release) || !/^VERSION_ID="12"$/m.test(release)) return 'this is not Debian 12: run Ex10 there, or in a Debian 12 container'
  if (process.getuid() !== 0) return 'root is needed to make accounts and firewall rules: run this command as root, for example with sudo'
}

/** Checks the settings. Returns an error line for an unusable one, or nothing. For tests, only the settings of set-up count: tests give their servers their own. */
function checkSettings () {
  const { EX10_DATA_DIR, EX10_NPM_REGISTRY, ...others } = process.env
  const rest = isTest ? Object.fromEntries(Object.entries(others).filter(([name]) => !name.startsWith('EX10_'))) : others
  const env = { ...rest, ...EX10_DATA_DIR && { EX10_DATA_DIR }, ...EX10_NPM_REGISTRY && { EX10_NPM_REGISTRY } }
  const { status, stderr } = spawnSync(join(ROOT, 'node_modules', '.bin', 'node'), [join(ROOT, 'bin', 'settings.mjs')], { env, encoding: 'utf8' })
  if (status !== 0) return stderr.trim() || 'the settings could not be checked: remove node_modules, then try again'
}

/** `npm ci` in `folder`, with further options, unless its node_modules were installed from the same lock file. */
function installModules (folder, { args = [], env = process.env } = {}) {
  const stamp = join(folder, 'node_modules', STAMP)
  const wanted = createHash('sha256').update(readFileSync(join(folder, 'package-lock.json'))).digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  console.log(`Installing node modules in ${folder}`)
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error', ...args], { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) return `"npm ci" failed in ${folder}: see its message above; check the network, then try again`
  writeFileSync(stamp, wanted)
}

/** Installs each dev server into its store in the data folder, with builds of its templates. Sessions see the stores read-only. */
function installDevServers () {
  const stores = join(DATA_DIR, 'templates')
  mkdirSync(stores, { recursive: true, mode: 0o711 })
  const templates = foldersIn(join(ROOT, 'templates')).map(name => {
    const folder = join(ROOT, 'templates', name)
    return { name, folder, ...JSON.parse(readFileSync(join(folder, 'template.json'), 'utf8')) }
  })
  for (const name of foldersIn(join(ROOT, 'dev-servers'))) {
    const problem = installDevServer(join(ROOT, 'dev-servers', name), join(stores, name), templates.filter(template => template.devServer === name))
    if (problem) return problem
  }
  removeOldStores(stores)
}

/**
 * Copies the dev server to a store that is named by the hash of its contents, installs its dependencies there and builds the
 * templates once. Then `link` points to the store. A store that a live session uses is not changed.
 */
function installDevServer (devServer, link, templates) {
  const startPage = join(ROOT, 'dev-servers', 'start.html') // the page that every session begins with
  const contents = [devServer, ...templates.map(({ folder }) => folder)].map(hashFolder).join() + readFileSync(startPage)
  const store = `${link}-${createHash('sha256').update(contents).digest('hex').slice(0, 16)}`
  if (existsSync(link) && readlinkSync(link) === basename(store)) return
  const made = `${store}.new`
  rmSync(made, { recursive: true, force: true })
  cpSync(devServer, made, { recursive: true, filter: path => !path.includes('node_modules') && !path.includes('__pycache__') })
  cpSync(startPage, join(made, 'start.html'))
  const problem = existsSync(join(made, 'package-lock.json')) && installModules(made, npmCache(DATA_DIR))
  if (problem) return problem
  for (const template of templates.filter(({ build }) => build)) {
    const problem = build(template, made)
    if (problem) return problem
  }
  rmSync(store, { recursive: true, force: true })
  renameSync(made, store)
  rmSync(`${link}.new`, { force: true })
  symlinkSync(basename(store), `${link}.new`)
  renameSync(`${link}.new`, link)
}

/** Removes stores without a link, except those that are mounted in a session's sandbox. */
function removeOldStores (stores) {
  const links = foldersIn(join(ROOT, 'dev-servers'))
  const kept = [...links, ...links.map(name => readlinkSync(join(stores, name)))]
  const mounts = readdirSync('/proc').filter(name => /^\d+$/.test(name)).map(pid => {
    try {
      return readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    } catch {
      return '' // it has ended in the meantime
    }
  })
  for (const name of readdirSync(stores).filter(name => !kept.includes(name))) {
    if (!mounts.some(text => text.includes(`/${name} `))) rmSync(join(stores, name), { recursive: true, force: true })
  }
}

function build ({ name, folder, build: words }, store) {
  const folders = { $STORE: store, $SOURCE: join(folder, 'extension'), $OUT: join(store, 'built', name) }
  const argv = words.map(word => word.replace(/\$[A-Z]+/g, name => folders[name] ?? name))
  const env = { ...process.env, PATH: `${join(ROOT, 'node_modules', '.bin')}:${process.env.PATH}` } // node is the pinned one
  const { status } = spawnSync(argv[0], argv.slice(1), { env, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) return `the template in ${folder} could not be built: see the message above`
}

function foldersIn (folder) {
  return readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory()).map(({ name }) => name)
}

function hashFolder (folder) {
  const hash = createHash('sha256')
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile() && !entry.parentPath?.includes('node_modules'))
  for (const path of files.map(entry => join(entry.parentPath ?? entry.path, entry.name)).sort()) {
    hash.update(path.slice(folder.length)).update('\0').update(readFileSync(path)).update('\0')
  }
  return hash.digest('hex')
}
