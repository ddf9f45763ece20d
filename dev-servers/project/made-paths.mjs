const CATCH_UP_MS = 30_000

/**
 * Files among the sources that builds write: those which change in two builds one after the other. Their changes while a
 * build runs ask for no other one; but somebody may have changed them then, so it is done once more, later.
 */
export class MadePaths {
  #paths = new Set()
  #isBehind = false
  #isCatchingUp = false
  #timer
  #catchUp

  /** `catchUp` builds once more. */
  constructor (catchUp) {
    this.#catchUp = catchUp
  }

  /** These have changed in two builds one after the other. */
  add (paths) {
    const isNew = [...paths].some(path => !this.#paths.has(path))
    this.#paths = this.#paths.union(paths)
    if (isNew) console.log(`the build itself writes ${[...paths].slice(0, 3).join(', ')}: that alone has nothing built`)
  }

  /** These have changed while no build ran. */
  remove (paths) {
    for (const path of paths) this.#paths.delete(path)
  }

  /** A path has changed while a build ran: whether it is one of these. */
  takes (path) {
    const isOne = this.#paths.has(path)
    this.#isBehind ||= isOne
    return isOne
  }

  /** No build runs any more. */
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
