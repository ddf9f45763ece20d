// `ex10 dev`: a session with the person's folder, while the command runs.
import { setTimeout as delay } from 'node:timers/promises'
import { createSession } from './creation.mjs'
import { openDisplay } from './display.mjs'
import { Folder } from './folder.mjs'
import { Pushes } from './pushes.mjs'
import { Refused } from './refused.mjs'
import { Report } from './report.mjs'
import { Server, ServerAway } from './server.mjs'
import { watchFolder } from './watch.mjs'

const BACK_OFF_MS = [250, 500, 1000, 2000, 5000]

/** The person has ended the command. */
class Interrupted extends Error {}

/** Resolves when the person has ended the command, and the session is ended. @throws {Refused} when it cannot begin or go on */
export async function dev ({ root, name, template, server: url, key, opens, keeps }) {
  const stop = new AbortController()
  const { signal } = stop
  const fail = error => stop.abort(error)
  const report = new Report()
  const server = new Server(url, key)
  const folder = new Folder(root)
  const pushes = new Pushes({ folder, report, fail, signal })
  handleSignals(fail)
  const unwatch = await watchFolder(folder, paths => pushes.touch(paths).catch(fail), fail)
  let session
  try {
    if (key && isOpenToAll(url)) report.say(`your key goes to ${url} unencrypted: use https`)
    report.say(`making a session of ${name} (${template}) at ${url}`)
    const created = await createSession(server, { folder, template, report, signal })
    session = created.session
    report.say(`the session is ready: ${session.url}`)
    if (opens) openDisplay(session.url, () => report.say('the display could not be opened here: open the address yourself'))
    pushes.begin(session, created.held)
    await pushes.touch(created.paths)
    await follow(session, pushes, report, signal)
  } catch (error) {
    const why = signal.aborted ? signal.reason : error
    if (!(why instanceof Interrupted)) throw why
  } finally {
    fail(new Interrupted()) // abort all work under way
    await unwatch()
    if (session) await leave(session, keeps, report)
  }
}

/** Tells whether others can read the requests to this address on their way. */
function isOpenToAll (url) {
  const { protocol, hostname } = new URL(url)
  return protocol === 'http:' && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
}

/** Ctrl-C, closing the terminal, `kill`, and a reader of its output that goes away end the command in order; a second signal ends it at once. */
function handleSignals (end) {
  let isEnding = false
  process.stdout.on('error', () => end(new Interrupted()))
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(name, () => {
      if (isEnding) process.exit(130)
      isEnding = true
      end(new Interrupted())
    })
  }
}

/** Reports the session's events, and reconnects to a server that was away. @throws {Refused} when the session has ended */
async function follow (session, pushes, report, signal) {
  for (let failures = 0; ;) {
    try {
      const { problems } = await session.look(signal)
      report.problems(problems)
      if (failures > 0) {
        report.back()
        await pushes.resync()
      }
      failures = 0
      for await (const event of session.events(signal)) tell(event, pushes, report)
    } catch (error) {
      if (!(error instanceof ServerAway) && !error.isPassing) throw error
      report.away(error.message)
      await delay(BACK_OFF_MS[Math.min(failures++, BACK_OFF_MS.length - 1)], undefined, { signal })
    }
  }
}

function tell (event, pushes, report) {
  const isKnown = pushes.hear(event)
  if (event.type === 'reloaded' && !isKnown) report.reloaded(event)
  else if (event.type === 'problem' && !isKnown) report.problems(event.problems)
  else report.event(event)
}

async function leave (session, keeps, report) {
  if (keeps) return report.say(`the session goes on: ${session.url}`)
  try {
    if (await session.end()) report.say('the session is ended')
  } catch (error) {
    throw new Refused(`the session could not be ended: ${error.message}. It ends by itself when it is unused: ${session.url}`)
  }
}
