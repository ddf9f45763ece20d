// Hears of changes in the folder as they are saved.
import { relative, sep } from 'node:path'
import { watch } from 'chokidar'
import { Refused } from './refused.mjs'

/** A save of several files, or one by way of a temporary file, is over after so long without another change; it is pushed at the latest after the second. */
const [QUIET_MS, LATEST_MS] = [20, 250]

/**
 * Calls `hear` with the paths that may have changed, several at a time: of files, and of folders that went away. Resolves
 * when it watches, with a function that ends it; calls `fail` when it can watch no longer. @throws {Refused}
 */
export async function watchFolder (folder, hear, fail) {
  const paths = new Set()
  let timer
  let since = 0

  const tell = () => {
    const all = [...paths]
    paths.clear()
    hear(all)
  }
  const changed = path => {
    if (paths.size === 0) since = performance.now()
    paths.add(path)
    clearTimeout(timer)
    timer = setTimeout(tell, Math.max(0, Math.min(QUIET_MS, since + LATEST_MS - performance.now())))
  }
  const toPath = file => relative(folder.root, file).split(sep).join('/')

  const watcher = watch(folder.root, {
    // not what .gitignore files say: they change
    ignored: file => file !== folder.root && folder.ignored.hasAlways(toPath(file)),
    ignoreInitial: true,
    ignorePermissionErrors: true,
    followSymlinks: false
  })
  const refusal = error => new Refused(`the folder cannot be watched: ${error.code === 'ENOSPC' ? 'the system watches as many files as it may (fs.inotify.max_user_watches)' : error.message}`)
  watcher.on('all', (event, file, stats) => {
    if (event === 'unlinkDir' && file === folder.root) return fail(new Refused(`the folder is gone: ${file}`))
    if (event === 'change' && stats?.isDirectory()) watcher.add(file) // it was a file
    changed(toPath(file))
  })
  await new Promise((resolve, reject) => watcher.once('ready', resolve).once('error', error => reject(refusal(error))))
  watcher.on('error', error => fail(refusal(error)))
  return async () => {
    clearTimeout(timer)
    await watcher.close()
  }
}
