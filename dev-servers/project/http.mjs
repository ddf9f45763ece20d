import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'

/** After this time, the answer says that the build is still under way. */
const BUILD_WAIT_MS = 90_000
const MAX_WAIT_MS = 60_000

/**
 * Serves on 127.0.0.1:
 * - `GET /`: the page that a session begins with
 * - `GET /changes?after=N&wait=MS`: the changes of the built extension. With `wait=0`, the answer covers every write before
 *   the request. With more, it comes when there is a version above N and no build is under way, or after that time.
 */
export function listen (port, project, changes) {
  const startPage = readFileSync(join(import.meta.dirname, 'start.html'))
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost')
    if (request.method !== 'GET') return send(response, 405, 'text/plain', 'only GET\n')
    if (pathname === '/') return send(response, 200, 'text/html; charset=utf-8', startPage)
    if (pathname !== '/changes') return send(response, 404, 'text/plain', 'there is nothing here\n')
    // a page in the browser may not start builds
    if (request.headers.origin || !['none', undefined].includes(request.headers['sec-fetch-site'])) return send(response, 403, 'text/plain', 'not for pages\n')
    const [after, wait] = ['after', 'wait'].map(name => Number(searchParams.get(name)) || 0)
    answer(project, changes, response, after, Math.min(wait, MAX_WAIT_MS)).catch(error => {
      console.error(error)
      response.destroy()
    })
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port, exclusive: true }, resolve)
  })
}

async function answer (project, changes, response, after, wait) {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  if (wait === 0) {
    project.look()
    await changes.until(() => !changes.isBuilding, BUILD_WAIT_MS, gone.signal)
  } else {
    await changes.until(() => !changes.isBuilding && changes.version > after, wait, gone.signal)
  }
  send(response, 200, 'application/json', JSON.stringify(changes.since(after)))
}

function send (response, status, type, body) {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
  response.end(body)
}
