// The output for the person in the terminal: one line for each event.
import { oneLine } from './server.mjs'

/** Events that are reported with the server's message. */
const TOLD = new Set(['service-given-up', 'degraded', 'recovered', 'firewall-lost', 'firewall-restored', 'expiring', 'extended', 'warning'])

/** A reload clears the problems, and the same ones may come again at once. */
const HEALED_MS = 700

export class Report {
  #problems = '[]'
  #healed
  #isAway = false
  #skipped = new Map()

  /** A line with the time of day. */
  say (text) {
    console.log(`${new Date().toTimeString().slice(0, 8)} ${text}`)
  }

  /** Reports that the server is away: once, until it is back. */
  away (why) {
    if (!this.#isAway) this.say(`the server is away: ${why}; waiting for it`)
    this.#isAway = true
  }

  back () {
    if (this.#isAway) this.say('the server is back')
    this.#isAway = false
  }

  /** Reports an accepted push, and whether the browser runs it. */
  pushed (paths, { loaded, reloadMs, problems }) {
    const what = paths.length === 1 ? paths[0] : `${paths.length} files`
    this.say(`${oneLine(what)}: ${howLoaded(loaded, reloadMs, problems)}`)
    if (problems) this.#print(problems)
  }

  /** Reports a reload after a change by other means. */
  reloaded ({ ms }) {
    this.say(`reloaded in ${Math.round(ms)} ms`)
  }

  /** Reports the problems, if they have changed. */
  problems (problems = []) {
    clearTimeout(this.#healed)
    if (JSON.stringify(problems) === this.#problems) return
    if (problems.length > 0) this.#print(problems)
    else this.#healed = setTimeout(() => this.#print(problems), HEALED_MS).unref()
  }

  #print (problems) {
    clearTimeout(this.#healed)
    const text = JSON.stringify(problems)
    if (problems.length === 0 && this.#problems !== '[]') this.say('all is well again')
    this.#problems = text
    for (const problem of problems) console.log(`         ${lineOf(problem)}`)
  }

  /** Reports a file that is left out: once, until the reason changes. */
  skipped (path, why) {
    if (this.#skipped.get(path) === why) return
    this.#skipped.set(path, why)
    this.say(`${oneLine(path)} is not pushed: ${oneLine(why)}`)
  }

  /** Forgets that the file was left out: it is pushed now. */
  taken (path) {
    this.#skipped.delete(path)
  }

  event ({ type, message }) {
    if (TOLD.has(type)) this.say(oneLine(message))
  }
}

function howLoaded (loaded, reloadMs, problems) {
  if (loaded === undefined) return 'pushed'
  if (loaded) return reloadMs === undefined || reloadMs === null ? 'loaded' : `reloaded in ${Math.round(reloadMs)} ms`
  return problems?.some(({ kind }) => kind !== 'warning') ? 'not loaded' : 'pushed, and still being built'
}

/** `error content.js:12:5 message` */
function lineOf ({ kind, message, file, line, column }) {
  const place = file === undefined ? '' : ` ${[file, line, line === undefined ? undefined : column].filter(part => part !== undefined).join(':')}`
  return oneLine(`${kind === 'warning' ? 'warning' : 'error'}${place} ${message}`)
}
