import { watch } from 'node:fs'

/** Long enough for an editor that writes several files, too short to be felt. */
const SETTLE_MS = 20
const MAX_FOLDERS = 20_000

/**
 * Calls back some milliseconds after anything in the watched folders was written, renamed or removed. Folders are
 * watched, never files: a rename over a file takes the place of the file that a watch would hang on.
 */
export class Watcher {
  #onChange
  #watchers = new Map()
  #timer

  constructor (onChange) {
    this.#onChange = onChange
  }

  /** Watches these folders, and no others any more. */
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
      // gone again since the scan: the parent's watch sees that
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
