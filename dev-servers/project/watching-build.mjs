import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { tellsOfFailure } from './diagnostics.mjs'
import { failed } from './failure.mjs'
import { mirror } from './mirror.mjs'
import { Watcher } from './watch.mjs'

/** Output that has not changed for so long is taken to be whole. */
const QUIET_MS = 150
/** Output of before that a command leaves alone for so long is as it would write it. */
const KEPT_MS = 3000
/** After so long without a word, what it has said is looked at. */
const SILENCE_MS = 500

/** A build that goes on running and builds by itself: what it writes is mirrored as soon as it is quiet. */
export class WatchingBuild {
  isRunning = false
  /** After `start`: called with the paths that changed, and with what went wrong: the command has ended, or says so. */
  onMirrored = () => {}
  onFailed = () => {}
  #output
  #target
  #watcher = new Watcher(() => {
    this.#lines = []
    this.#touched()
  })

  #quiet
  /** What was printed since the last silence, and since the output was written. */
  #lines = []
  #silence
  #toFailure
  #end = new AbortController()
  #ended = Promise.resolve()
  #first = Promise.withResolvers()
  #isFirst = true

  /** `toFailure` makes one of the lines that tell of it. */
  constructor (output, target, toFailure) {
    this.#output = output
    this.#target = target
    this.#toFailure = toFailure
  }

  /** Runs the command, `run(signal, onLine)`; resolves with the paths that its first output changed. */
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
      return this.#touched() // it is being written again
    }
    if (!this.#isFirst) return this.onMirrored(changed)
    this.#isFirst = false
    this.#first.resolve(changed)
  }

  /** All folders of the output; until it is there, the nearest that is. */
  #folders () {
    let root = this.#output
    while (!existsSync(root)) root = dirname(root)
    if (root !== this.#output) return [root]
    const below = readdirSync(root, { recursive: true, withFileTypes: true }).filter(entry => entry.isDirectory())
    return [dirname(root), root, ...below.map(entry => join(entry.parentPath, entry.name))]
  }
}
