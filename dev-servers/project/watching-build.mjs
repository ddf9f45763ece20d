import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { tellsOfFailure } from './diagnostics.mjs'
import { failed } from './failure.mjs'
import { mirror } from './mirror.mjs'
import { Watcher } from './watch.mjs'

/** Output that has not changed for this time counts as complete. */
const QUIET_MS = 150
/** Earlier output that a command leaves alone for this time counts as up to date. */
const KEPT_MS = 3000
/** After this time without output, the last lines are checked for a failure. */
const SILENCE_MS = 500

/** A build that keeps running and builds by itself. Its output is mirrored once it stops changing. */
export class WatchingBuild {
  isRunning = false
  /** Called after `start`: with the changed paths, and with the error when the command has ended or reports a failure. */
  onMirrored = () => {}
  onFailed = () => {}
  #output
  #target
  #watcher = new Watcher(() => {
    this.#lines = []
    this.#touched()
  })

  #quiet
  /** The lines since the last silence, and since the last write of the output. */
  #lines = []
  #silence
  #toFailure
  #end = new AbortController()
  #ended = Promise.resolve()
  #first = Promise.withResolvers()
  #isFirst = true

  /** `toFailure` makes a failure from the lines that report it. */
  constructor (output, target, toFailure) {
    this.#output = output
    this.#target = target
    this.#toFailure = toFailure
  }

  /** Runs the command, `run(signal, onLine)`. Resolves with the paths that its first output changed. */
  async start (run, signal, timeoutMs) {
    this.isRunning = true
    const timer = setTimeout(() => this.#first.reject(failed('build', `"dev" wrote no manifest.json to its output within ${timeoutMs / 60_000} minutes`)), timeoutMs)
    const abort = () => this.#first.reject(signal.reason)
    signal.addEventListener('abort', abort)
    this.#touched(KEPT_MS)
    this.#ended = run(this.#end.signal, line => this.#heard(line)).then(() => this.#over(failed('build', '"dev" of ex10.json has ended, although it is to go on running')), error => this.#over(error))
    try {
      return await this.#first.promise
    } catch (error) {
      await this.stop()
      throw error
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    }
  }

  async stop () {
    this.#end.abort()
    this.isRunning = false
    clearTimeout(this.#quiet)
    clearTimeout(this.#silence)
    this.#watcher.stop()
    await this.#ended
  }

  #over (error) {
    this.isRunning = false
    if (this.#end.signal.aborted) return
    this.#watcher.stop()
    clearTimeout(this.#silence)
    this.#fail(error)
  }

  #heard (line) {
    this.#lines.push(line)
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => {
      const lines = this.#lines.splice(0)
      if (tellsOfFailure(lines)) this.#fail(this.#toFailure(lines))
    }, SILENCE_MS)
  }

  #fail (error) {
    if (this.#isFirst) this.#first.reject(error)
    else this.onFailed(error)
  }

  #touched (quietMs = QUIET_MS) {
    clearTimeout(this.#quiet)
    this.#watcher.watch(this.#folders())
    this.#quiet = setTimeout(() => this.#mirror(), quietMs)
  }

  #mirror () {
    if (!existsSync(join(this.#output, 'manifest.json'))) return
    let changed
    try {
      changed = mirror(this.#output, this.#target)
    } catch (error) {
      if (error.code !== 'ENOENT') throw error
      return this.#touched() // the command is writing it again
    }
    if (!this.#isFirst) return this.onMirrored(changed)
    this.#isFirst = false
    this.#first.resolve(changed)
  }

  /** All folders of the output; until the output exists, the nearest existing folder above it. */
  #folders () {
    let root = this.#output
    while (!existsSync(root)) root = dirname(root)
    if (root !== this.#output) return [root]
    const below = readdirSync(root, { recursive: true, withFileTypes: true }).filter(entry => entry.isDirectory())
    return [dirname(root), root, ...below.map(entry => join(entry.parentPath, entry.name))]
  }
}
