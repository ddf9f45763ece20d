import { fork } from 'node:child_process'
import { join } from 'node:path'

const idleMs = 60_000
const maxBuilds = 100
const maxBuildMs = 20_000

// Small heaps and few threads: there is one of these in every session.
const frugal = { MALLOC_ARENA_MAX: '2', RAYON_NUM_THREADS: '1', TOKIO_WORKER_THREADS: '1', UV_THREADPOOL_SIZE: '2' }
const execArgv = ['--max-semi-space-size=2', '--max-old-space-size=256']

/**
 * Bundles in a process of its own, which ends when it is idle: it takes 100 MB, keeps some
 * of them at every build, and nobody edits all the time. Starting it costs 0.4 s.
 * An error that the sources are to blame for has `ofSources`.
 */
export function createBundler ({ sourceDir, extensionDir }) {
  let child
  let builds = 0
  let idle

  function start () {
    child = fork(join(import.meta.dirname, 'bundle-process.mjs'), [sourceDir, extensionDir], {
      // Names of built files hash the paths seen from here: the same in every session.
      cwd: sourceDir,
      env: { ...process.env, ...frugal },
      execArgv
    })
    builds = 0
  }

  function stop () {
    child?.kill('SIGKILL')
    child = undefined
  }

  async function bundle (sourceFiles) {
    clearTimeout(idle)
    if (!child?.connected) start()
    try {
      return await answerOf(child, sourceFiles)
    } finally {
      builds++
      if (builds >= maxBuilds) stop()
      idle = setTimeout(stop, idleMs)
      idle.unref()
    }
  }

  return { bundle, stop }
}

function answerOf (child, sourceFiles) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), maxBuildMs)
    child.once('message', answered)
    child.once('exit', ended)
    child.once('error', ended)
    child.send(sourceFiles)

    function answered ({ error, ofSources, ...built }) {
      clean()
      if (error) reject(Object.assign(new Error(error), { ofSources }))
      else resolve(built)
    }

    function ended () {
      clean()
      reject(new Error('the bundler ended before the build was done'))
    }

    function clean () {
      clearTimeout(timer)
      child.off('message', answered)
      child.off('exit', ended)
      child.off('error', ended)
    }
  })
}
