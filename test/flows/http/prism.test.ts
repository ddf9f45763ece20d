import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { lightDisplay } from '#support/display/light-display.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { ask, read, type Asked } from '#support/servers/client.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { freePort } from '#support/servers/free-port.ts'
import { createSession, eventually, type Server } from '#support/servers/server.ts'
import type { ApiDocument } from '#support/servers/routes.ts'

const PRISM = fileURLToPath(new URL('../../../node_modules/.bin/prism', import.meta.url))
const UNKNOWN = 'f'.repeat(32)

/** Operations that are not driven here, and the reason. */
const NOT_DRIVEN: Record<string, string> = {
  openDisplay: 'a redirect, which Prism follows by itself',
  askDisplay: 'its answers are the session\'s own'
}

/** Operations on a session that answer an unknown id in another way, or that the document asks more of. Rows drive them. */
const NOT_ON_UNKNOWN = ['getValidity', 'getLogs', 'putFile', 'importFiles', 'addShare']

/** Bodies that the document demands. */
const BODIES: Record<string, object> = {
  ...Object.fromEntries(['putStateCategory', 'putStateValue', 'patchState', 'patchStateCategory', 'patchStateValue', 'restoreState', 'rollBack'].map(name => [name, { version: 1 }])),
  putState: {},
  restartSession: { what: 'browser' },
  labelVersion: { label: 'driven' },
  beginActivity: {}
}

/** A request to an operation, and the status of its answer. */
interface Row extends Asked { path: string, status: number }

/** Prism, which passes requests on to the server, and answers with 500 when an answer differs from the document. */
async function startPrism (t: Test, server: Server): Promise<Server> {
  const port = await freePort()
  const child = spawn(PRISM, ['proxy', `${server.url}/openapi.json`, server.url, '--errors', '--port', String(port)], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(async () => {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  let output = ''
  createInterface(child.stdout).on('line', line => { output += line })
  await eventually('Prism', () => output.includes('is listening on'), 30_000)
  return { ...server, url: `http://127.0.0.1:${port}` }
}

t.test('no answer differs from the document: Prism stands in front of the server and finds none', { timeout: 240_000 }, async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_AUTH: 'keys', EX10_SLOTS: '4', EX10_ARCHIVE: '1' })
  const key = await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin')
  const admin = as(server, key)
  const { paths } = await ask(server, '/openapi.json').then(({ body }) => body as ApiDocument)
  const operations = new Map(Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, { operationId }]) => [operationId, { method: method.toUpperCase(), path }] as const)))
  const prism = await startPrism(t, admin)
  const left = new Set([...operations.keys()].filter(name => !NOT_DRIVEN[name]))

  async function drive (name: string, { path, status, ...asked }: Row): Promise<any> {
    const { method } = operations.get(name) ?? { method: '' }
    const answer = await ask(prism, path, { method, ...asked })
    t.equal(answer.status, status, `${name}: ${method} ${path}`, { answer: answer.text.slice(0, 2000) })
    t.notMatch(answer.headers['content-type'], /problem/, `${name}: Prism finds nothing`)
    left.delete(name)
    return answer.body
  }

  const one = await drive('addSession', { path: '/sessions', status: 201, headers: { accept: 'application/json', 'idempotency-key': 'once' }, body: { template: 'vanilla' } })
  const id = one.sessionId as string
  await drive('addSession', { path: '/sessions', status: 422, headers: { accept: 'application/json', 'idempotency-key': 'once' }, body: { template: 'vanilla', width: 400 } })
  const stream = await drive('createSession', { path: '/createSession?width=1000', status: 200 }) as string
  const other = JSON.parse(stream.trimEnd().split('\n').at(-1)!).data.sessionId as string
  const { id: third } = await createSession(admin)

  const link = await drive('addShare', { path: `/sessions/${id}/shares`, status: 201, body: { mode: 'control' } })
  const page = await drive('viewSession', { path: `/session/${id}/index.html`, status: 200 }) as string
  const token = /ex10-token" content="([^"]+)"/.exec(page)![1]!
  const { displayUrl } = await drive('getSession', { path: `/sessions/${id}`, status: 200 })
  const { pathname, search } = new URL(displayUrl)
  const framed = await drive('openDisplayUrl', { path: pathname + search, status: 200 }) as string
  const renewal = /ex10-renewal" content="([^"]+)"/.exec(framed)![1]!
  const made = await drive('addKey', { path: '/admin/keys', status: 201, body: { user: 'anna', scopes: ['view'] } })
  const file = `/sessions/${id}/files/driven.js`
  const plain = { 'content-type': 'text/plain' }
  const raw = { 'content-type': 'application/octet-stream' }

  const rows: [name: string, row: Row][] = [
    ['getApiDocument', { path: '/openapi.json', status: 200 }],
    ['getHealth', { path: '/health', status: 200 }],
    ['getReady', { path: '/ready', status: 200 }],
    ['getMetrics', { path: '/metrics', status: 200 }],
    ['getMe', { path: '/me', status: 200 }],
    ['listSessions', { path: '/sessions', status: 200 }],
    ['getValidity', { path: `/sessions/${id}/valid`, status: 200 }],
    ['touchSession', { path: `/sessions/${id}/touch`, status: 200 }],
    ['refreshSession', { path: `/sessions/${id}/refresh`, status: 200 }],
    ['getLogs', { path: `/sessions/${id}/logs?source=xpra`, status: 200 }],
    ['getEvents', { path: `/sessions/${id}/events?follow=false`, status: 200 }],
    ['updateCode', { path: '/updateCode', status: 200, body: { sessionId: id, filePath: 'a.js', content: '1' } }],
    ['updateCode', { path: '/updateCode', status: 400, body: { sessionId: id, filePath: '../a.js', content: '1' } }],
    ['listFiles', { path: `/sessions/${id}/files`, status: 200 }],
    ['putFile', { path: file, status: 201, headers: raw, body: 'one' }],
    ['putFile', { path: file, status: 200, headers: raw, body: 'two' }],
    ['putFile', { path: file, status: 412, headers: { ...raw, 'if-none-match': '*' }, body: 'three' }],
    ['getFile', { path: file, status: 200 }],
    ['deleteFile', { path: file, status: 200 }],
    ['getFile', { path: file, status: 404 }],
    ['listVersions', { path: `/sessions/${id}/versions?limit=2`, status: 200 }],
    ['labelVersion', { path: `/sessions/${id}/versions/1`, status: 200, body: { label: 'driven' } }],
    ['listVersionFiles', { path: `/sessions/${id}/versions/driven/files`, status: 200 }],
    ['getVersionFile', { path: `/sessions/${id}/versions/1/files/a.js`, status: 200 }],
    ['diffVersions', { path: `/sessions/${id}/versions/0/diff?to=driven`, status: 200 }],
    ['beginActivity', { path: `/sessions/${id}/activities`, status: 201, body: { title: 'Driven' } }],
    ['beginActivity', { path: `/sessions/${id}/activities`, status: 409, body: {} }],
    ['commitActivity', { path: `/sessions/${id}/activities/1/commit`, status: 200 }],
    ['beginActivity', { path: `/sessions/${id}/activities`, status: 201, body: {} }],
    ['discardActivity', { path: `/sessions/${id}/activities/2/discard`, status: 200 }],
    ['listActivities', { path: `/sessions/${id}/activities`, status: 200 }],
    ['rollBack', { path: `/sessions/${id}/rollback`, status: 200, body: { version: 0 } }],
    ['rollBack', { path: `/sessions/${id}/rollback`, status: 404, body: { version: 'none' } }],
    ['exportFiles', { path: `/sessions/${id}/export`, status: 200 }],
    ...['', '/notes', '/notes/one'].flatMap((level): [string, Row][] => {
      const [name, path, body] = [`State${['', 'Category', 'Value'][level.split('/').length - 1]}`, `/sessions/${id}/state${level}`, level.endsWith('one') ? '1' : level ? { one: 1 } : { notes: { one: 1 } }]
      return [
        [`put${name}`, { path, status: 201, body }],
        [`put${name}`, { path, status: 412, headers: { 'if-none-match': '*' }, body }],
        [`get${name}`, { path, status: 200 }],
        [`patch${name}`, { path, status: 200, body }],
        [`delete${name}`, { path, status: 200 }]
      ]
    }),
    ['getStateValue', { path: `/sessions/${id}/state/notes/one`, status: 404 }],
    ['putState', { path: `/sessions/${id}/state`, status: 400, body: { versions: {} } }],
    ['listStateVersions', { path: `/sessions/${id}/state/versions?limit=2`, status: 200 }],
    ['restoreState', { path: `/sessions/${id}/state/restore`, status: 200, body: { version: 1 } }],
    ['restartSession', { path: `/sessions/${id}/restart`, status: 200, body: { what: 'browser' } }],
    ['getSnapshot', { path: `/sessions/${id}/snapshot`, status: 200 }],
    ['importSession', { path: '/sessions/import', status: 400, headers: { ...raw, accept: 'application/json' }, body: 'none' }], // as importFiles below
    ['getSessionAnalytics', { path: `/sessions/${id}/analytics`, status: 200 }],
    ['getUsage', { path: '/admin/analytics?period=hour', status: 200 }],
    ['getUsage', { path: '/admin/analytics', status: 200, headers: { accept: 'text/csv' } }],
    ['listRecoverable', { path: '/recoverable', status: 200 }],
    ['issueRecoveryToken', { path: `/recoverable/${UNKNOWN}/token`, status: 404 }],
    ['recoverSession', { path: '/recover', status: 404, headers: { accept: 'application/json' }, body: { token: 'none' } }],
    ['getRecovery', { path: `/session/${id}/recovery`, status: 404, headers: plain, body: token }],
    ['listShares', { path: `/sessions/${id}/shares`, status: 200 }],
    ['viewShare', { path: new URL(link.url).pathname, status: 200 }],
    ['viewShare', { path: '/share/none', status: 404 }],
    ['revokeShare', { path: `/sessions/${id}/shares/${link.id}`, status: 200 }],
    ['getDisplayState', { path: `/session/${id}/state?token=${token}`, status: 200 }],
    ['getDisplayProblems', { path: `/session/${id}/problems?token=${token}`, status: 200 }],
    ['keepSession', { path: `/session/${id}/keep`, status: 200, headers: plain, body: token }],
    ['renewDisplayUrl', { path: `/session/${id}/display`, status: 200, headers: plain, body: renewal }],
    ['listKeys', { path: '/admin/keys', status: 200 }],
    ['revokeKey', { path: `/admin/keys/${made.id}`, status: 200 }],
    ['logIn', { path: '/login', status: 200, body: { key } }],
    ['logIn', { path: '/login', status: 401, body: { key: 'none' } }],
    ['listLogins', { path: '/me/logins', status: 200 }],
    ['endLogin', { path: '/me/logins/none', status: 404 }],
    ['endOtherLogins', { path: '/me/logins', status: 200 }],
    ['endUserLogins', { path: '/admin/users/anna/logins', status: 200 }],
    ['logOut', { path: '/logout', status: 200 }],
    ['listAllSessions', { path: '/admin/sessions?limit=1', status: 200 }],
    ['getStatistics', { path: '/admin/stats', status: 200 }],
    ['getAuditLog', { path: '/admin/audit-log?verify=true', status: 200 }],
    ['getAudit', { path: '/admin/audit', status: 200 }],
    ['beginDrain', { path: '/admin/drain', status: 200, body: { atDeadline: 'wait' } }],
    ['getDrain', { path: '/admin/drain', status: 200 }],
    ['getReady', { path: '/ready', status: 503 }],
    ['cancelDrain', { path: '/admin/drain', status: 200 }],
    ['importFiles', { path: `/sessions/${id}/import`, status: 400, headers: { 'content-type': 'application/zip' }, body: 'none' }], // Prism passes bodies on as text, which no archive survives
    ['eraseUserData', { path: '/users/ada/data', status: 409 }],
    ['endUserSessions', { path: '/admin/users/ada/sessions?dryRun=true', status: 200 }],
    ['deleteSession', { path: `/sessions/${id}`, status: 200 }],
    ['endSession', { path: `/session/${other}`, status: 200 }],
    ['endAnySession', { path: `/admin/sessions/${third}`, status: 200 }],
    ['getSessionAnalytics', { path: `/sessions/${id}/analytics`, status: 200 }],
    ['listArchives', { path: '/archives?limit=1', status: 200 }],
    ['getArchive', { path: `/archives/${id}`, status: 200 }],
    ['downloadArchive', { path: `/archives/${id}/download`, status: 200 }],
    ['deleteArchive', { path: `/archives/${id}`, status: 200 }],
    ['getArchive', { path: `/archives/${id}`, status: 404 }],
    ['downloadArchive', { path: `/archives/${id}/download`, status: 404 }],
    ['deleteArchive', { path: `/archives/${id}`, status: 404 }],
    ['eraseUserData', { path: '/users/ada/data', status: 200 }]
  ]
  for (const [name, row] of rows) await drive(name, row)
  for (const [name, { path }] of operations) {
    if (path.startsWith('/sessions/{id}') && !NOT_DRIVEN[name] && !NOT_ON_UNKNOWN.includes(name)) {
      await drive(name, { path: path.replace('{id}', UNKNOWN).replace('{activity}', '1').replace(/\{\w+\}/g, 'x'), status: 404, body: BODIES[name] })
    }
  }
  t.strictSame([...left], [], 'every operation was driven, or is in the list of those that cannot be')
  t.strictSame((await read(admin, '/sessions')).sessions, [])
  await assertEndsClean(t, admin)
})
