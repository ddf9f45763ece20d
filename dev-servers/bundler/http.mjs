import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'

const MAX_WAIT_MS = 60_000

/**
 * Serves on 127.0.0.1:
 * - `GET /`: the page that a session begins with
 * - `GET /changes?after=N&wait=MS`: the changes of the built extension. With `wait=0`, every write before the request is
 *   built first. With more, the answer comes when there is a version above N, or after that time.
 * - `GET /origin?file=…&line=N&column=N`: the place in the sources for a place in a built file; 404 when it was not built
 */
export function listen (port, { build, changes, origin }) {
  const startPage = readFileSync(join(import.meta.dirname, 'start.html'))
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost')
    if (request.method !== 'GET') return send(response, 405, 'text/plain', 'only GET\n')
    if (pathname === '/') return send(response, 200, 'text/html; charset=utf-8', startPage)
    if (pathname !== '/changes' && pathname !== '/origin') return send(response, 404, 'text/plain', 'there is nothing here\n')
    // a page in the browser may not start builds
    if (request.headers.origin || !['none', undefined].includes(request.headers['sec-fetch-site'])) return send(response, 403, 'text/plain', 'not for pages\n')
    const number = name => Number(searchParams.get(name)) || 0
    const answered = pathname === '/origin'
      ? answerOrigin(response, origin, { file: searchParams.get('file') ?? '', line: number('line'), column: number('column') })
      : answer(build, changes, response, number('after'), Math.min(number('wait'), MAX_WAIT_MS))
    answered.catch(error => {
      console.error(error)
      response.destroy()
    })
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port, exclusive: true }, resolve)
  })
}

async function answer (build, changes, response, after, wait) {
  if (wait === 0) {
    await build()
  } else {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    await changes.later(after, AbortSignal.any([gone.signal, AbortSignal.timeout(wait)]))
  }
  send(response, 200, 'application/json', JSON.stringify(changes.since(after)))
}

async function answerOrigin (response, origin, place) {
  const found = await origin(place)
  if (found) send(response, 200, 'application/json', JSON.stringify(found))
  else send(response, 404, 'application/json', 'null')
}

function send (response, status, type, body) {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
  response.end(body)
}
