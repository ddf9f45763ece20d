/** A run: builds, one after the other, until one has begun with the present sources. */
export class Run {
  /** Resolves when the run is over. */
  ended
  controller
  /** The number of builds in a row that were given up for newer sources. */
  interrupted = 0
  isInstalling = false
  isOver = false
  #folders = new Set()
  /** The paths that changed during the build, and during the complete build before it. */
  #changed = new Set()
  #changedBefore = new Set()

  constructor (ended) {
    this.ended = ended
  }

  /** Begins a build of these sources. Returns the signal that ends it early. */
  begin (files) {
    this.#changed = new Set()
    this.isOver = false
    this.controller = new AbortController()
    this.taken(files)
    return this.controller.signal
  }

  /** Notes the sources of the build. */
  taken (files) {
    this.#folders = new Set([...files.keys()].map(topOf))
  }

  /** Tells whether the path is in a top folder of the project that did not exist when the build began. */
  isNewFolder (path) {
    return !this.isOver && this.controller !== undefined && path.includes('/') && !this.#folders.has(topOf(path))
  }

  /** Notes paths that changed during the build. Returns true if one of them did not change during the build before. */
  note (paths) {
    for (const path of paths) this.#changed.add(path)
    return paths.some(path => !this.#changedBefore.has(path))
  }

  /** Ends a complete build. Returns the paths that changed both during it and during the build before: most likely, builds write them. */
  whole () {
    const both = this.#changed.intersection(this.#changedBefore)
    this.#changedBefore = this.#changed
    return both
  }
}

const topOf = path => path.split('/')[0]
