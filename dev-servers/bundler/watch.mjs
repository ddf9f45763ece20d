import { watch } from 'node:fs'

/** Long enough for an editor that writes several files, too short to be felt. */
const SETTLE_MS = 20

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
    for (const folder of this.#watchers.keys()) if (!folders.includes(folder)) this.#remove(folder)
    for (const folder of folders) if (!this.#watchers.has(folder)) this.#add(folder)
  }

  #add (folder) {
    try {
      const watcher = watch(folder, () => this.#changed())
      watcher.on('error', () => this.#remove(folder))
      this.#watchers.set(folder, watcher)
    } catch (error) {
      // gone again since it was listed: its parent's watch has seen that
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
