// Reports changes in the folder as they are saved.
import { relative, sep } from 'node:path'
import { watch } from 'chokidar'
import { Refused } from './refused.mjs'

/** A save of several files, or one through a temporary file, is over after the first time without another change. It is pushed after the second time at the latest. */
const [QUIET_MS, LATEST_MS] = [20, 250]

/**
 * Calls `onChange` with the paths that may have changed, several at a time: of files, and of removed folders. Resolves when
 * the watch has begun, with a function that ends it. Calls `fail` when it can no longer watch. @throws {Refused}
 */
export async function watchFolder (folder, onChange, fail) {
  const paths = new Set()
  let timer
  let since = 0

  const tell = () => {
    const all = [...paths]
    paths.clear()
    onChange(all)
  }
  const changed = path => {
    if (paths.size === 0) since = performance.now()
    paths.add(path)
    clearTimeout(timer)
    timer = setTimeout(tell, Math.max(0, Math.min(QUIET_MS, since + LATEST_MS - performance.now())))
  }
  const toPath = file => relative(folder.root, file).split(sep).join('/')

  const watcher = watch(folder.root, {
    // without the rules of .gitignore files, because those change
    ignored: file => file !== folder.root && folder.ignored.hasAlways(toPath(file)),
    ignoreInitial: true,
    ignorePermissionErrors: true,
    followSymlinks: false
  })
  const refusal = error => new Refused(`the folder cannot be watched: ${error.code === 'ENOSPC' ? 'the system has reached its limit of watches (fs.inotify.max_user_watches)' : error.message}`)
  watcher.on('all', (event, file, stats) => {
    if (event === 'unlinkDir' && file === folder.root) return fail(new Refused(`the folder is gone: ${file}`))
    if (event === 'change' && stats?.isDirectory()) watcher.add(file) // it was a file before
    changed(toPath(file))
  })
  await new Promise((resolve, reject) => watcher.once('ready', resolve).once('error', error => reject(refusal(error))))
  watcher.on('error', error => fail(refusal(error)))
  return async () => {
    clearTimeout(timer)
    await watcher.close()
  }
}
