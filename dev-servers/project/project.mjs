import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { failure, withoutHome } from './diagnostics.mjs'
import { buildError, Failure, failed } from './failure.mjs'
import { hasPackages, install, installedFrom, isLock } from './install.mjs'
import { MadePaths } from './made-paths.mjs'
import { Memory } from './memory.mjs'
import { mirror, partsOf } from './mirror.mjs'
import { findOutput } from './output.mjs'
import { runScript } from './scripts.mjs'
import { nothingToBuild, readSettings, SETTINGS_FILE } from './settings.mjs'
import { differences, fingerprint, Sources } from './sources.mjs'
import { Watcher } from './watch.mjs'
import { Run } from './run.mjs'
import { WatchingBuild } from './watching-build.mjs'

const BUILD_MS = 5 * 60_000
const SETTLE_MS = 30
/** A project may arrive in several pushes: an installation waits for the last one. */
const INSTALL_SETTLE_MS = 300
/** After this number of builds that were given up for newer sources, the next one runs to its end. */
const MAX_INTERRUPTED = 3
/** A build that writes into its own sources causes the next build: after this number of builds, the next one is delayed. */
const MAX_CHAINED = 4
const MAX_PAUSE_MS = 30_000

/** Keeps the extension equal to the sources: after each change, one run of install, build and mirror, one run at a time. */
export class Project {
  #sourceDir
  #extensionDir
  #memory
  #changes
  #sources
  #watcher = new Watcher(() => this.look())
  /** The sources of the last run. */
  #taken
  #run
  #again = false
  #pause
  #watching
  #made = new MadePaths(() => {
    if (!this.#run) this.#begin()
  })

  #isStopped = false

  /** `memoryFile` keeps facts of the last installation and build over restarts of this program. */
  constructor (sourceDir, extensionDir, memoryFile, changes) {
    this.#sourceDir = sourceDir
    this.#extensionDir = extensionDir
    this.#memory = new Memory(memoryFile)
    this.#changes = changes
    this.#sources = new Sources(sourceDir)
  }

  /** Looks for the first time. Sources with one of the `known` fingerprints are built already. Returns the fingerprint. */
  begin (known = []) {
    const { files } = this.#scan()
    const from = fingerprint(files)
    if (known.includes(from) && existsSync(join(this.#extensionDir, 'manifest.json'))) {
      this.#taken = files
      this.#changes.built([])
      this.#changes.isBuilding = false
    }
    this.look()
    return from
  }

  /** Reads the sources. If they have changed, a run is under way when this returns. */
  look () {
    if (this.#isStopped) return
    const { files, folders } = this.#scan()
    this.#watcher.watch(folders)
    const changed = this.#taken ? differences(this.#taken, files) : ['all']
    // most likely the build's output: it is looked at again when the build is over
    for (const path of changed.filter(path => this.#run?.isNewFolder(path))) files.delete(path)
    this.#taken = files
    const counted = changed.filter(path => this.#counts(path))
    if (counted.length === 0) return
    this.#pause?.abort()
    if (this.#run) this.#changedMeanwhile(counted)
    else {
      this.#made.remove(counted)
      this.#begin()
    }
  }

  #changedMeanwhile (paths) {
    this.#again = true
    const isNews = this.#run.note(paths)
    if (isNews && this.#run.interrupted < MAX_INTERRUPTED) this.#run.controller?.abort(new Error('newer sources'))
  }

  /** Resolves when no run is under way. */
  async idle () {
    await this.#changes.until(() => !this.#changes.isBuilding, Infinity)
  }

  async stop () {
    this.#isStopped = true
    this.#watcher.stop()
    this.#made.stop()
    this.#again = false
    this.#run?.controller?.abort(new Error('stopped'))
    this.#pause?.abort()
    await Promise.all([this.#run?.ended, this.#watching?.stop()])
  }

  #scan () {
    return this.#sources.scan(new Set([this.#memory.facts.output].filter(Boolean)))
  }

  #counts (path) {
    if (this.#run?.isNewFolder(path)) return false
    if (this.#run?.isInstalling && (isLock(path) || !concernsAll(path))) return false // an installation writes the lock file, and a build follows it
    if (this.#run && this.#made.takes(path)) return false
    // a build that watches the sources itself needs no new run for them
    return !this.#watching?.isRunning || isLock(path) || concernsAll(path)
  }

  #begin () {
    this.#work().catch(error => {
      console.error(error)
      process.exit(1) // s6 starts this program again
    })
  }

  async #work () {
    const { promise: ended, resolve: end } = Promise.withResolvers()
    const run = this.#run = new Run(ended)
    this.#changes.isBuilding = true
    for (let chained = 0; ;) {
      if (chained > MAX_CHAINED) await this.#waitLonger(chained)
      await sleep(SETTLE_MS)
      this.#again = false
      if (this.#isStopped) break
      const isWhole = await this.#runOnce(run.begin(this.#taken))
      run.isOver = true
      run.interrupted = isWhole ? 0 : run.interrupted + 1
      if (isWhole) {
        chained++
        this.look() // the build may have written into the sources
        this.#made.add(run.whole())
      }
      if (!this.#again) break
    }
    this.#run = undefined
    this.#changes.isBuilding = false
    end()
    this.#made.rest()
  }

  /** Waits for a while, or until the sources change again: no build runs now, so the change is not a build's. */
  async #waitLonger (chained) {
    const ms = Math.min(MAX_PAUSE_MS, 500 * 2 ** (chained - MAX_CHAINED))
    console.log(`the sources change with every build; the next one begins in ${ms / 1000} s`)
    this.#pause = new AbortController()
    await sleep(ms, undefined, { signal: this.#pause.signal }).catch(() => {})
    this.#pause = undefined
  }

  /** Returns true when the build ran to its end, successful or not; false when it was given up. */
  async #runOnce (signal) {
    const startedAt = Date.now()
    try {
      const changed = await this.#build(signal, startedAt)
      this.#changes.built(partsOf(changed))
      console.log(`built in ${((Date.now() - startedAt) / 1000).toFixed(1)} s, ${changed.length} files changed`)
    } catch (error) {
      if (signal.aborted) {
        console.log('given up: the sources have changed')
        return false
      }
      this.#fail(error)
    }
    return true
  }

  async #build (signal, startedAt) {
    const root = this.#sourceDir
    const settings = readSettings(root)
    await this.#installIfNeeded(settings, signal)
    if (settings.dev !== undefined) return await this.#watchBuild(settings, signal)
    await this.#watching?.stop()
    const command = settings.build ?? (settings.package?.scripts?.build && 'build')
    const memory = this.#memory.facts
    const project = String(settings.package?.name ?? '')
    if (command !== undefined) await runScript(command, { root, settings, context: 'build', timeoutMs: BUILD_MS, signal })
    else if (settings.output === undefined && !this.#taken.has('manifest.json')) throw nothingToBuild(settings)
    const output = command === undefined
      ? settings.output ?? '.'
      : findOutput(root, { output: settings.output, files: this.#taken, since: startedAt, former: memory.output, isOther: memory.project !== undefined && memory.project !== project })
    this.#memory.remember({ output: output === '.' ? undefined : output, project })
    return mirror(join(root, output), this.#extensionDir)
  }

  async #installIfNeeded (settings, signal) {
    const from = () => installedFrom(this.#sourceDir, settings, this.#taken)
    const wanted = from()
    if (wanted === undefined || (wanted === this.#memory.facts.installed && hasPackages(this.#sourceDir))) return
    await sleep(INSTALL_SETTLE_MS, undefined, { signal })
    await this.#watching?.stop()
    this.#memory.remember({ installed: undefined })
    this.#run.isInstalling = true
    try {
      await install(this.#sourceDir, settings, signal)
      this.look() // the installation may have changed the sources
      this.#run.taken(this.#taken)
    } finally {
      this.#run.isInstalling = false
    }
    signal.throwIfAborted()
    this.#memory.remember({ installed: from() })
  }

  /** Starts the person's command that builds whenever the sources change. */
  async #watchBuild (settings, signal) {
    if (settings.output === undefined) throw failed('build', `${SETTINGS_FILE}: "dev" needs "output", the folder that it writes the extension to`, { file: SETTINGS_FILE })
    await this.#watching?.stop()
    const root = this.#sourceDir
    this.#memory.remember({ output: settings.output })
    const toFailure = lines => failure('build', '"dev" of ex10.json', { lines }, { root })
    this.#watching = new WatchingBuild(join(root, settings.output), this.#extensionDir, toFailure)
    this.#watching.onMirrored = changed => this.#changes.built(partsOf(changed))
    this.#watching.onFailed = error => this.#fail(error)
    return await this.#watching.start((runSignal, onLine) => runScript(settings.dev, { root, settings, context: 'build', signal: runSignal, onLine }), signal, BUILD_MS)
  }

  #fail (error) {
    const problems = error instanceof Failure ? error.problems : [buildError('build', this.#explain(error))]
    for (const { message } of problems) console.log(`not built: ${message}`)
    if (!(error instanceof Failure) && error.code !== 'ENOSPC') console.error(error)
    this.#changes.failed(problems)
  }

  #explain (error) {
    if (error.code === 'ENOSPC') return 'The session\'s home is full: delete files there, or have it made larger (EX10_HOME_SIZE)'
    return `The project could not be built: ${withoutHome(error.message, this.#sourceDir)}`
  }
}

/** Tells whether the file decides about installation and commands. */
function concernsAll (path) {
  return path === SETTINGS_FILE || /(^|\/)(package\.json|\.npmrc)$/.test(path)
}
