import { createServer } from 'node:http'

const maxWaitMs = 25_000

/**
 * Serves the state of the build on 127.0.0.1. Every answer is small JSON: the last result,
 * with `changed` counted from version `after` (0 when it is not given).
 *
 * - `GET /` at once; 503 until there is a build. `ready`: there is one from before the start
 * - `POST /build?after=N` once the build includes all files written before the request
 * - `GET /build?after=N` once there is a version above N; 204 after a while without one
 */
export function listen (port, builder, { ready }) {
  const server = createServer((request, response) => {
    answer(builder, ready, request, response).catch(error => send(response, 500, { error: error.message }))
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port, exclusive: true }, resolve)
  })
}

async function answer (builder, ready, request, response) {
  // A page in the browser may neither trigger builds nor read what they say.
  const { origin, 'sec-fetch-site': site } = request.headers
  if (origin || site) return send(response, 403, { error: 'not for pages' })
  const url = new URL(request.url, 'http://localhost')
  const after = Number(url.searchParams.get('after'))
  const route = `${request.method} ${url.pathname}`
  if (route === 'POST /build') await builder.build()
  else if (route === 'GET /build') await newerThan(after, builder, response)
  else if (route !== 'GET /') return send(response, 404, { error: 'no such route' })
  const result = builder.result(after)
  if (route === 'GET /build' && result.version <= after) return response.writeHead(204).end()
  send(response, ready || result.version ? 200 : 503, result)
}

function newerThan (version, builder, response) {
  if (builder.result(version).version > version) return
  return new Promise(resolve => {
    const timer = setTimeout(done, maxWaitMs)
    response.once('close', done)
    builder.on('result', done)

    function done () {
      clearTimeout(timer)
      builder.off('result', done)
      resolve()
    }
  })
}

function send (response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify(body))
}
