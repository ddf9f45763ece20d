import { spawn } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'

/** A variable in the environment of all processes that this program starts: it identifies those that leave their process group. */
const MARK = 'EX10_PROJECT_RUN'
const KEPT_LINES = 400
const LINE_LENGTH = 2000
const GRACE_MS = 1000
const TELL_MS = 1000
/** When memory is short, the kernel kills a build before the browser. */
const OOM_SCORE = '700'

/**
 * Runs a command and prints its output, line by line. All of its processes are ended when `signal` aborts and after
 * `timeoutMs`. When the command ends by itself, the processes that it leaves behind are ended, too. Lines that `progress`
 * takes are not printed: its text is printed instead, once a second and at the end. `onLine` is called with each other line.
 * @returns {Promise<{code: number|null, signal: string|null, timedOut: boolean, lines: string[]}>} `lines`: the last lines
 */
export async function runCommand (argv, { cwd, env, timeoutMs, signal, progress, onLine }) {
  const run = `${process.pid}-${performance.now()}`
  const child = spawn(argv[0], argv.slice(1), { cwd, env: { ...env, [MARK]: run }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const lines = []
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', text => {
      for (const line of text.split('\r').map(part => stripVTControlCharacters(part).trimEnd().slice(0, LINE_LENGTH)).filter(Boolean)) {
        if (progress?.takes(line)) continue
        console.log(line)
        lines.push(line)
        onLine?.(line)
      }
      lines.splice(0, lines.length - KEPT_LINES)
    })
  }
  let timedOut = false
  const end = () => endGroup(child, run)
  const timer = timeoutMs && setTimeout(() => {
    timedOut = true
    end()
  }, timeoutMs)
  let told = ''
  const tell = () => {
    if (progress && progress.text !== told) console.log(told = progress.text)
  }
  const telling = setInterval(tell, TELL_MS)
  signal.addEventListener('abort', end)
  if (signal.aborted) end()
  const closed = new Promise(resolve => child.once('close', resolve))
  try {
    const [code, killedBy] = await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (...result) => resolve(result))
      if (child.pid) writeFile(`/proc/${child.pid}/oom_score_adj`, OOM_SCORE).catch(() => {}) // it has ended already
    })
    await endStragglers(run)
    await closed
    tell()
    return { code, signal: killedBy, timedOut, lines }
  } finally {
    clearTimeout(timer)
    clearInterval(telling)
    signal.removeEventListener('abort', end)
  }
}

async function endGroup (child, run) {
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    try {
      process.kill(-child.pid, signal)
    } catch {
      break // the group is empty
    }
    await Promise.race([sleep(GRACE_MS), new Promise(resolve => child.once('exit', resolve))])
  }
  await endStragglers(run)
}

/** Kills every process that a command started, in any process group: of one run, or without `run`, of all runs, also of an earlier instance of this program. */
export async function endStragglers (run = '') {
  for (let round = 0; round < 20; round++) {
    const pids = await processesOf(`${MARK}=${run}`)
    if (pids.length === 0) return
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {} // it has ended
    }
    await sleep(10)
  }
}

async function processesOf (mark) {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name)).map(Number)
  const marked = await Promise.all(pids.map(async pid => {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '') // it has ended, or we may not read it
    return environment.startsWith(mark) || environment.includes(`\0${mark}`)
  }))
  return pids.filter((_, index) => marked[index])
}
