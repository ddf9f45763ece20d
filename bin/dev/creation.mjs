// Makes the session, with the folder's files.
import { Refused } from './refused.mjs'
import { NotDone, oneLine, ServerAway } from './server.mjs'
import { Session } from './session.mjs'

/** Returns the session, and which files it holds: paths and hashes. @throws {Refused} */
export async function createSession (server, { folder, template, report, signal }) {
  const paths = await folder.list((path, why) => report.skipped(path, why))
  const created = await create(server, { template }, report, signal)
  return { session: new Session(server, created), held: new Map(), paths }
}

async function create (server, options, report, signal) {
  try {
    for await (const { status, data } of server.lines('POST', '/sessions', { json: options, signal })) {
      if (status === 'queued') report.say(oneLine(data.message))
      if (status === 'complete') return data
      if (status === 'error') throw new Refused(oneLine(data.message))
    }
    throw new ServerAway('the answer broke off')
  } catch (error) {
    if (error instanceof ServerAway) throw new Refused(`no server answers at ${server.url}: ${error.message}`)
    if (!(error instanceof NotDone)) throw error
    if (error.code === 'EX10_UNAUTHENTICATED') throw new Refused('the server wants an API key: set EX10_KEY, or use --key-file')
    throw new Refused(error.message)
  }
}
