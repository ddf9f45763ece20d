const CATCH_UP_MS = 30_000

/**
 * Files among the sources that builds write: files that change during two builds in a row. Their changes during a build
 * cause no new build. A person may have changed them at that time, too, so one more build runs later.
 */
export class MadePaths {
  #paths = new Set()
  #isBehind = false
  #isCatchingUp = false
  #timer
  #catchUp

  /** `catchUp` starts one more build. */
  constructor (catchUp) {
    this.#catchUp = catchUp
  }

  /** Adds paths that have changed during two builds in a row. */
  add (paths) {
    const isNew = [...paths].some(path => !this.#paths.has(path))
    this.#paths = this.#paths.union(paths)
    if (isNew) console.log(`the build itself writes ${[...paths].slice(0, 3).join(', ')}: changes of these alone start no build`)
  }

  /** Removes paths that have changed while no build ran. */
  remove (paths) {
    for (const path of paths) this.#paths.delete(path)
  }

  /** Tells whether a path that changed during a build is one of these. */
  takes (path) {
    const isOne = this.#paths.has(path)
    this.#isBehind ||= isOne
    return isOne
  }

  /** Called when the last build has ended. */
  rest () {
    clearTimeout(this.#timer)
    if (this.#isBehind && !this.#isCatchingUp) {
      this.#timer = setTimeout(() => {
        this.#isCatchingUp = true
        this.#catchUp()
      }, CATCH_UP_MS)
    }
    this.#isBehind = false
    this.#isCatchingUp = false
  }

  stop () {
    clearTimeout(this.#timer)
  }
}
