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
  /** What changed while the build ran, and while the whole one before it did. */
  #changed = new Set()
  #changedBefore = new Set()

  constructor (ended) {
    this.ended = ended
  }

  /** A build of these sources begins; returns what ends it early. */
  begin (files) {
    this.#changed = new Set()
    this.isOver = false
    this.controller = new AbortController()
    this.taken(files)
    return this.controller.signal
  }

  /** The sources that are built are these. */
  taken (files) {
    this.#folders = new Set([...files.keys()].map(topOf))
  }

  /** Whether the path is in a folder at the top of the project that was not there when the build began. */
  isNewFolder (path) {
    return !this.isOver && this.controller !== undefined && path.includes('/') && !this.#folders.has(topOf(path))
  }

  /** These have changed since the build began; returns whether they are others than while the one before it ran. */
  note (paths) {
    for (const path of paths) this.#changed.add(path)
    return paths.some(path => !this.#changedBefore.has(path))
  }

  /** It came to its end. Returns what changed while it ran and while the one before did: most likely, builds write it. */
  whole () {
    const both = this.#changed.intersection(this.#changedBefore)
    this.#changedBefore = this.#changed
    return both
  }
}

const topOf = path => path.split('/')[0]
