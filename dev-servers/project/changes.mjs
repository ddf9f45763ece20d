import { EventEmitter } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

const KEPT = 100
const MANIFEST_BYTES = 256 * 1024
const MAX_PROBLEMS = 50

/** The changes of the extension, version by version, and the problems of its sources. */
export class Changes {
  /** Grows with each change, also over restarts of this program: it is at least the time of the change. */
  version = Date.now()
  problems = []
  #extensionDir
  #isOk = false
  #isBuilding = true
  #events = new EventEmitter().setMaxListeners(0)
  /** The changes of the latest versions, and the version before the first of them. */
  #history = []
  #knownFrom = this.version

  constructor (extensionDir) {
    this.#extensionDir = extensionDir
  }

  /** True while sources are being built, or are about to be. */
  get isBuilding () {
    return this.#isBuilding
  }

  set isBuilding (value) {
    this.#isBuilding = value
    this.#events.emit('change')
  }

  /** Notes that the extension has been built from the present sources, and that these `parts` of it changed. */
  built (parts) {
    this.#set(true, [], parts)
  }

  /** Notes that the sources could not be built: the extension stays unchanged. */
  failed (problems) {
    this.#set(false, problems.slice(0, MAX_PROBLEMS), [])
  }

  #set (isOk, problems, parts) {
    const isSame = parts.length === 0 && isOk === this.#isOk && JSON.stringify(problems) === JSON.stringify(this.problems)
    if (isSame) return
    this.#isOk = isOk
    this.problems = problems
    this.version = Math.max(this.version + 1, Date.now())
    this.#history.push({ version: this.version, parts })
    if (this.#history.length > KEPT) this.#knownFrom = this.#history.shift().version
    this.#events.emit('change')
  }

  /** The answer to a client that has version `after`. */
  since (after) {
    const newer = this.#history.filter(({ version }) => version > after)
    const changed = after < this.#knownFrom ? ['loaded'] : [...new Set(newer.flatMap(({ parts }) => parts))]
    const manifest = this.#manifest()
    return {
      version: this.version,
      ok: this.#isOk && !this.#isBuilding,
      changed,
      ...manifest !== undefined && { manifest },
      ...this.#isBuilding && { building: true },
      problems: this.problems
    }
  }

  #manifest () {
    try {
      const path = join(this.#extensionDir, 'manifest.json')
      return statSync(path).size <= MANIFEST_BYTES ? readFileSync(path, 'utf8') : undefined
    } catch {
      return undefined
    }
  }

  /** Resolves when `isSo` returns true, after `ms`, or when the signal aborts. */
  until (isSo, ms, signal) {
    if (isSo()) return
    return new Promise(resolve => {
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        this.#events.off('change', check)
        resolve()
      }
      const check = () => isSo() && done()
      const timer = ms === Infinity ? undefined : setTimeout(done, ms)
      signal?.addEventListener('abort', done)
      this.#events.on('change', check)
    })
  }
}
