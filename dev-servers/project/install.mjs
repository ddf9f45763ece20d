import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from './command.mjs'
import { failure } from './diagnostics.mjs'
import { environment, SHARED_NPM_CACHE, TOOLS } from './environment.mjs'
import { failed } from './failure.mjs'
import { seedNpmCache } from './npm-cache.mjs'
import { runScript } from './scripts.mjs'

const INSTALL_MS = 10 * 60_000
const NPM_LOCKS = ['package-lock.json', 'npm-shrinkwrap.json']
const LOCKS = [...NPM_LOCKS, 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock', 'bun.lockb']
/** The parts of a package.json that decide about the installation. */
const CONCERNED = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies', 'overrides', 'resolutions', 'workspaces', 'packageManager', 'pnpm']
const HOOKS = ['preinstall', 'install', 'postinstall', 'prepare']

/** Tells whether installations write the file themselves. */
export function isLock (path) {
  return LOCKS.includes(path)
}

/** The fingerprint of all that an installation of these sources depends on; undefined when there is nothing to install. */
export function installedFrom (root, settings, files) {
  const packages = [...files.keys()].filter(path => path === 'package.json' || path.endsWith('/package.json')).sort()
  if (!settings.install && !needsPackages(settings.package)) return undefined
  const hash = createHash('sha256').update(JSON.stringify(settings.install ?? null))
  for (const path of packages) hash.update(path).update(JSON.stringify(concernsOf(join(root, path)) ?? null))
  for (const path of [...LOCKS, '.npmrc', '.yarnrc.yml', 'pnpm-workspace.yaml']) hash.update(`${path} ${files.get(path) ?? ''}`)
  return hash.digest('base64url')
}

/** Tells whether there is a place with installed packages. */
export function hasPackages (root) {
  return existsSync(join(root, 'node_modules')) || existsSync(join(root, '.pnp.cjs'))
}

function needsPackages (settings = {}) {
  return settings.workspaces !== undefined || CONCERNED.slice(0, 4).some(key => Object.keys(settings[key] ?? {}).length > 0)
}

function concernsOf (path) {
  try {
    const settings = JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''))
    return [...CONCERNED.map(key => settings[key]), ...HOOKS.map(name => settings.scripts?.[name])]
  } catch {
    return undefined // it belongs to a fixture, or is half-written
  }
}

/**
 * Installs the project's packages, with the package manager of its lock file.
 * @throws {Failure} with the last lines of the package manager
 */
export async function install (root, settings, signal) {
  const startedAt = performance.now()
  const manager = managerOf(root, settings.package)
  if (manager === 'npm') seedNpmCache(SHARED_NPM_CACHE, join(homedir(), '.npm'))
  if (settings.install) await runScript(settings.install, { root, settings, context: 'install', timeoutMs: INSTALL_MS, signal })
  else if (manager === 'npm') await installByNpm(root, signal)
  else await installByOther(manager, root, signal)
  console.log(`installed in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
}

function managerOf (root, { packageManager = '' } = {}) {
  const named = /^(pnpm|yarn)@/.exec(packageManager)?.[1]
  if (named) return named
  const isThere = name => existsSync(join(root, name))
  if (NPM_LOCKS.some(isThere)) return 'npm'
  if (isThere('pnpm-lock.yaml')) return 'pnpm'
  return isThere('yarn.lock') ? 'yarn' : 'npm'
}

/** `npm ci`, or where the lock file is missing or does not fit package.json, `npm install`. */
async function installByNpm (root, signal) {
  const npm = ['node', join(TOOLS, 'npm/bin/npm-cli.js')]
  if (NPM_LOCKS.some(name => existsSync(join(root, name)))) {
    const result = await run([...npm, 'ci'], root, signal, { mayFail: lines => lines.some(line => line.includes('code EUSAGE')) })
    if (result.code === 0) return
    console.log('package-lock.json does not fit package.json')
  }
  await run([...npm, 'install'], root, signal)
}

/** pnpm and yarn are not part of this program: corepack downloads them, in the version that the project names. */
async function installByOther (manager, root, signal) {
  const result = await run(['node', join(TOOLS, 'corepack/dist/corepack.js'), manager, 'install'], root, signal, { mayFail: isNotDownloaded })
  if (result.code !== 0) throw failed('install', `${manager} could not be downloaded: make sure that sessions can reach the npm registry (EX10_NPM_REGISTRY), or push a package-lock.json instead of ${manager}'s lock file`)
}

const isNotDownloaded = lines => lines.some(line => /corepack\.cjs|Error when performing the request to/.test(line))

/** Counts npm's requests to the registry and to its cache: one line for each would be too many. */
class Requests {
  #all = 0
  #sent = 0

  takes (line) {
    if (!line.startsWith('npm http ')) return false
    this.#all++
    if (!/\(cache (hit|stale)\)$/.test(line)) this.#sent++
    return true
  }

  get text () {
    return this.#all === 0 ? '' : `${this.#all} requests, ${this.#sent} of them to the registry`
  }
}

async function run (argv, root, signal, { mayFail = () => false } = {}) {
  const words = argv.slice(1).map(word => word.replace(/^.*\/(npm)-cli\.js$|^.*\/(corepack)\.js$/, '$1$2')).join(' ')
  console.log(`installing packages: ${words}`)
  const result = await runCommand(argv, { cwd: root, env: environment(root), timeoutMs: INSTALL_MS, signal, progress: new Requests() })
  signal.throwIfAborted()
  if (result.code !== 0 && !mayFail(result.lines)) throw failure('install', words, result, { root, limitMs: INSTALL_MS })
  return result
}
