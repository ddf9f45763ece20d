import { readFile } from 'node:fs/promises'
import t from 'tap'
import type { CodeUpdated } from '#schemas/code-update.ts'
import type { SessionEvent } from '#domain/live/event.ts'
import type { VersionList } from '#schemas/version.ts'
import { openDevTools } from '#support/display/devtools.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { createSession, endSession, eventually, pushCode, readLines } from '#support/servers/server.ts'

const PAGE = 'http://page.test/'
const MANIFEST = JSON.parse(await readFile('templates/vanilla/extension/manifest.json', 'utf8'))
const content = (said: string) => `document.documentElement.dataset.content = '${said}'`

t.test('a rollback is seen in the open tab, and a version is confirmed when the browser runs it', { timeout: 240_000 }, async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const { id } = session
  const devTools = await openDevTools(t, server, session)
  const tab = await devTools.firstTab()
  await tab.visit(PAGE, '<!doctype html><title>Page</title>')
  const sees = (said: string) => eventually(`a tab that says ${said}`, async () => await tab.evaluate('document.documentElement.dataset.content') === said, 30_000)
  const push = async (files: Record<string, string>) => await (await pushCode(server, { sessionId: id, files: Object.entries(files).map(([filePath, content]) => ({ filePath, content })), wait: true })).json() as CodeUpdated
  const versions = async () => (await (await fetch(`${server.url}/sessions/${id}/versions`)).json() as VersionList).versions
  const confirmed = async () => (await versions()).filter(({ confirmedAt }) => confirmedAt).map(({ version }) => version)

  t.match(await push({ 'content-script.js': content('first') }), { version: 1, loaded: true })
  await sees('first')
  t.match(await push({ 'content-script.js': content('second'), 'background.js': 'this is no script' }), { version: 2, loaded: false })
  t.match(await push({ 'content-script.js': content('third'), 'manifest.json': JSON.stringify({ ...MANIFEST, content_scripts: 7 }) }), { version: 3, loaded: false })
  const response = await fetch(`${server.url}/sessions/${id}/rollback?wait=1`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ version: 1 }) })
  t.match(await response.json(), { version: 4, rolledBackTo: 1, loaded: true, problems: [] })
  await sees('first')
  await eventually('confirmed versions', async () => (await confirmed()).includes(4))
  t.strictSame(await confirmed(), [4, 1, 0], 'not that whose worker did not start, and not that which Chromium refused')
  t.match(await versions(), [{ version: 4, point: 'major', reloadMs: Number }, { version: 3, point: 'minor' }, { version: 2, point: 'minor' }, { version: 1, point: 'major' }, { version: 0, point: 'major' }])

  t.comment('pushes at the same time: only the last is sure to be confirmed, and none before it ran')
  await Promise.all(['a', 'b', 'c', 'd'].map(said => pushCode(server, { sessionId: id, filePath: 'content-script.js', content: content(said) })))
  await eventually('a confirmed last version', async () => (await confirmed()).includes(8))
  const events: SessionEvent[] = []
  for await (const event of readLines(await fetch(`${server.url}/sessions/${id}/events?follow=0`))) events.push(event as unknown as SessionEvent)
  const ofConfirmed = events.filter(({ type }) => type === 'confirmed')
  t.strictSame(ofConfirmed.map(({ version }) => version).toReversed(), (await confirmed()).filter(version => version !== 0), 'one event each; that of version 0 is ready')
  t.ok(ofConfirmed.every(({ ms }) => typeof ms === 'number'))
  await endSession(server, id)
  await assertEndsClean(t, server)
})
