import { watch } from 'node:fs'

/** Long enough for an editor that writes several files, too short for a person to notice. */
const SETTLE_MS = 20
const MAX_FOLDERS = 20_000

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
    const wanted = new Set(folders.slice(0, MAX_FOLDERS))
    for (const folder of this.#watchers.keys()) if (!wanted.has(folder)) this.#remove(folder)
    for (const folder of wanted) if (!this.#watchers.has(folder)) this.#add(folder)
  }

  stop () {
    clearTimeout(this.#timer)
    this.watch([])
  }

  #add (folder) {
    try {
      const watcher = watch(folder, () => this.#changed())
      watcher.on('error', () => this.#remove(folder))
      this.#watchers.set(folder, watcher)
    } catch (error) {
      // it was removed after the scan: its parent's watch reports that
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
