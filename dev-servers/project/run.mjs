/** What is under way: builds, one after the other, until one has begun with the sources as they are. */
export class Run {
  /** Resolves when it is over. */
  ended
  controller
  /** How many builds in a row were given up for newer sources. */
  interrupted = 0
  isInstalling = false
  isOver = false
  #folders = new Set()

  constructor (ended) {
    this.ended = ended
  }

  /** A build of these sources begins; returns what ends it early. */
  begin (files) {
    this.#folders = new Set([...files.keys()].map(topOf))
    this.isOver = false
    this.controller = new AbortController()
    return this.controller.signal
  }

  /** Whether the path is in a folder at the top of the project that was not there when the build began. */
  isNewFolder (path) {
    return !this.isOver && this.controller !== undefined && path.includes('/') && !this.#folders.has(topOf(path))
  }
}

const topOf = path => path.split('/')[0]
