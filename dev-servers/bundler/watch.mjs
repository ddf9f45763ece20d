import { watch } from 'node:fs'

/** Long enough for an editor that writes several files, too short for a person to notice. */
const SETTLE_MS = 20

/**
 * Calls back some milliseconds after an entry of the watched folders was written, renamed or removed. It watches folders,
 * not files: after a rename over a file, a watch of that file would follow the old one.
 */
export class Watcher {
  #onChange
  #watchers = new Map()
  #timer

  constructor (onChange) {
    this.#onChange = onChange
  }

  /** Watches these folders, and stops watching all others. */
  watch (folders) {
    for (const folder of this.#watchers.keys()) if (!folders.includes(folder)) this.#remove(folder)
    for (const folder of folders) if (!this.#watchers.has(folder)) this.#add(folder)
  }

  #add (folder) {
    try {
      const watcher = watch(folder, () => this.#changed())
      watcher.on('error', () => this.#remove(folder))
      this.#watchers.set(folder, watcher)
    } catch (error) {
      // it was removed after the listing: its parent's watch reports that
      if (error.code !== 'ENOENT') console.error(`cannot watch ${folder}: ${error.message}`)
    }
  }

  #remove (folder) {
    this.#watchers.get(folder)?.close()
    this.#watchers.delete(folder)
  }

  #changed () {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#onChange()
    }, SETTLE_MS)
  }
}
