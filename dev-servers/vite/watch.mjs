import { watch } from 'node:fs'

// Long enough for an editor that writes several files, too short to be felt.
const settleMs = 20

/**
 * Calls back some milliseconds after anything in the watched folders was written, renamed
 * or removed. It watches folders and never files: a rename over a file takes the place of
 * the file that a watch would hang on.
 */
export function watchFolders (onChange) {
  const watchers = new Map()
  let timer

  function changed () {
    clearTimeout(timer)
    timer = setTimeout(onChange, settleMs)
  }

  function add (folder) {
    try {
      const watcher = watch(folder, changed)
      watcher.on('error', () => remove(folder))
      watchers.set(folder, watcher)
    } catch (error) {
      // Gone again between the scan and here: the parent's watch has seen that.
      if (error.code !== 'ENOENT') console.error(`cannot watch ${folder}: ${error.message}`)
    }
  }

  function remove (folder) {
    watchers.get(folder)?.close()
    watchers.delete(folder)
  }

  return {
    watch (folders) {
      for (const folder of watchers.keys()) if (!folders.includes(folder)) remove(folder)
      for (const folder of folders) if (!watchers.has(folder)) add(folder)
    }
  }
}
