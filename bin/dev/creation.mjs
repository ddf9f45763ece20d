// Makes the session, with the folder's files.
import { pack } from './archive.mjs'
import { Refused } from './refused.mjs'
import { NotDone, oneLine, ServerAway } from './server.mjs'
import { Session } from './session.mjs'

/** Returns the session, the hashes of its first files by path, and the paths of all files in the folder. @throws {Refused} */
export async function createSession (server, { folder, template, report, signal }) {
  const skip = (path, why) => report.skipped(path, why)
  const paths = await folder.list(skip)
  const { hashes, ...content } = await pack(folder, paths, skip)
  return { session: new Session(server, await create(server, template, content, report, signal)), held: hashes, paths }
}

async function create (server, template, { archive, files }, report, signal) {
  const [path, sent] = archive
    ? [`/sessions?template=${encodeURIComponent(template)}`, { body: archive, type: 'application/zip' }]
    : ['/sessions', { json: { template, ...files?.length > 0 && { files } } }]
  try {
    for await (const { status, data } of server.lines('POST', path, { ...sent, signal })) {
      if (status === 'queued') report.say(oneLine(data.message))
      if (status === 'complete') return data
      if (status === 'error') throw new Refused(oneLine(data.message))
    }
    throw new ServerAway('the answer broke off')
  } catch (error) {
    if (error instanceof ServerAway) throw new Refused(`no server answers at ${server.url}: ${error.message}`)
    if (!(error instanceof NotDone)) throw error
    if (error.code === 'EX10_UNAUTHENTICATED') throw new Refused('the server requires an API key: set EX10_KEY, or use --key-file')
    const file = error.details?.filePath ?? error.details?.path
    throw new Refused(file ? `${error.message}: ${oneLine(file)}` : error.message)
  }
}
