import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { BrowserClient } from '#support/access/browser-client.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { ask, read } from '#support/servers/client.ts'
import { next, serve } from '#support/servers/creation.ts'
import { pastEvents } from '#support/servers/events.ts'
import { createSession, endSession } from '#support/servers/server.ts'

t.test('the server\'s keys are rotated while it runs: nobody is logged out, pages stay open, and all that was sealed opens, also after a restart', async t => {
  const server = await serve(t, { ...lightDisplay(), EX10_AUTH: 'keys', EX10_ON_SHUTDOWN: 'keep' })
  const key = await keysCommand(server, 'create', '--user', 'anna')
  const admin = as(server, await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin'))
  const anna = as(server, key)
  const browser = new BrowserClient(server)
  await browser.logIn(key)
  const { csrfToken } = (await browser.ask('/me')).body
  const { id } = await createSession(anna)
  const { displayUrl } = (await ask(anna, `/sessions/${id}`)).body
  const [secret, before] = [readFileSync(`${server.dataDir}/cookie-secret`, 'utf8').trim(), (await read(server, '/health')).encryption.key]

  await keysCommand(server, 'rotate')
  const after = (await read(server, '/health')).encryption.key
  t.not(after, before)
  t.match(readFileSync(`${server.dataDir}/master-keys`, 'utf8'), new RegExp(`^#.*\\n${after} .*\\n$`), 'the old key is gone')
  await delay(1100)
  const touch = (client: BrowserClient, token: string) => client.ask(`/sessions/${id}/touch`, { method: 'POST', headers: { 'x-csrf-token': token } })
  t.equal((await browser.ask('/me')).body.user, 'anna')
  t.equal((await touch(browser, csrfToken)).status, 200, 'an open page goes on')
  t.equal((await ask(server, new URL(displayUrl, server.url).pathname + new URL(displayUrl, server.url).search)).status, 200, 'an address of the display from before is good')
  const later = new BrowserClient(server)
  await later.logIn(key)
  t.equal((await later.ask('/me')).body.user, 'anna')
  const ready = (await pastEvents(anna, id)).find(({ type }) => type === 'ready')

  await server.stop('SIGKILL')
  const restarted = { ...await next(t, server), headers: admin.headers! }
  const moved = (client: BrowserClient) => {
    const there = new BrowserClient(restarted)
    for (const [name, value] of client.cookies) there.cookies.set(name, value)
    return there
  }
  for (const client of [browser, later]) t.equal((await moved(client).ask('/me')).body.user, 'anna')
  t.equal((await touch(moved(browser), csrfToken)).status, 200)
  t.strictSame((await pastEvents(restarted, id)).find(({ type }) => type === 'ready'), ready, 'the events that were sealed before are there')
  t.match((await ask(restarted, '/admin/audit-log')).body.entries.find(({ action }: { action: string }) => action === 'server.keys-rotated'), { user: 'terminal', details: { key: after } })
  t.not(readFileSync(`${server.dataDir}/cookie-secret`, 'utf8').split('\n')[0], secret)
  await endSession(restarted, id)
})
