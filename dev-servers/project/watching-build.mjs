import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { failed } from './failure.mjs'
import { mirror } from './mirror.mjs'
import { Watcher } from './watch.mjs'

/** Output that has not changed for so long is taken to be whole. */
const QUIET_MS = 150
/** Output of before that a command leaves alone for so long is as it would write it. */
const KEPT_MS = 3000

/** A build that goes on running and builds by itself: what it writes is mirrored as soon as it is quiet. */
export class WatchingBuild {
  isRunning = false
  /** Called with the paths that changed after `start`, and when the command has ended by itself. */
  onMirrored = () => {}
  onEnded = () => {}
  #output
  #target
  #watcher = new Watcher(() => this.#touched())
  #quiet
  #end = new AbortController()
  #ended = Promise.resolve()
  #first = Promise.withResolvers()
  #isFirst = true

  constructor (output, target) {
    this.#output = output
    this.#target = target
  }

  /** Runs the command; resolves with the paths that its first output changed. */
  async start (run, signal, timeoutMs) {
    this.isRunning = true
    const timer = setTimeout(() => this.#first.reject(failed('build', `"dev" wrote no manifest.json to its output within ${timeoutMs / 60_000} minutes`)), timeoutMs)
    const abort = () => this.#first.reject(signal.reason)
    signal.addEventListener('abort', abort)
    this.#touched(KEPT_MS)
    this.#ended = run(this.#end.signal).then(() => this.#over(failed('build', '"dev" of ex10.json has ended, although it is to go on running')), error => this.#over(error))
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
    this.#watcher.stop()
    await this.#ended
  }

  #over (error) {
    this.isRunning = false
    if (this.#end.signal.aborted) return
    this.#watcher.stop()
    this.#first.reject(error)
    this.onEnded(error)
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
