import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { displayEnv } from '#domain/programs/display.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { openDevTools, type Tab } from '#support/display/devtools.ts'
import { pastEvents } from '#support/servers/events.ts'
import { clientFrame } from '#support/inputs/frames.ts'
import { packet, PING } from '#support/inputs/hostile-frames.ts'
import { inside } from '#support/sandbox.ts'
import { createSession, endSession, eventually, type CreatedSession, type Server } from '#support/servers/server.ts'
import { openSharedSocket } from '#support/display/socket-display.ts'
import { hasColour, launchViewer, openDisplay, showsPicture, statusOf } from '#support/display/viewer.ts'

const HTML = `<!doctype html><title>A page</title><input style="position: fixed; left: 40px; top: 40px; width: 500px; height: 40px">
<script>
  const field = document.querySelector('input')
  const events = []
  for (const type of ['keydown', 'pointermove', 'pointerdown', 'wheel', 'paste', 'resize', 'visibilitychange']) addEventListener(type, () => events.push(type), true)
</script>`

interface Link { id: string, url: string }

async function share (server: Server, { id }: CreatedSession, mode: string): Promise<Link> {
  const response = await fetch(`${server.url}/sessions/${id}/shares`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ mode }) })
  return response.json() as Promise<Link>
}

async function viewers (server: Server, { id }: CreatedSession): Promise<number[]> {
  const { shares } = await (await fetch(`${server.url}/sessions/${id}/shares`)).json() as { shares: { viewers: number }[] }
  return shares.map(({ viewers }) => viewers)
}

/** All input that the X server of the session takes from now on. */
async function listenToInput (t: Test, server: Server, session: CreatedSession): Promise<string[]> {
  const { facts, start } = await inside(t, server, session)
  const env = Object.entries(displayEnv(facts)).map(([name, value]) => `${name}=${value}`)
  const probe = start(['/usr/bin/env', ...env, '/usr/bin/python3', '-c', readFileSync('test/fixtures/x-input.py', 'utf8')])
  let text = ''
  const heard: string[] = []
  probe.stdout.on('data', chunk => {
    text += chunk
    heard.splice(0, heard.length, ...text.split('\n').slice(1, -1))
  })
  await eventually('the probe listens', () => text.startsWith('listening'), 30_000)
  return heard
}

const sizeOf = (tab: Tab) => tab.evaluate('outerWidth + "x" + outerHeight')
const colour = (tab: Tab, rgb: number[]) => tab.evaluate(`document.body.style.background = 'rgb(${rgb})'`)

/** A client of its own making, greeted by Xpra by the link. */
async function cheat (t: Test, session: CreatedSession, { url }: Link): Promise<WebSocket> {
  const socket = await openSharedSocket(t, session, url)
  socket.send(packet('l5:hellod7:version5:3.1.38:keyboardi1eee'))
  await once(socket, 'message')
  return socket
}

t.test('a link to look shows the browser as it is, and nobody types, clicks or resizes by it, with whichever client; by a link to control they do', async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const tab = await (await openDevTools(t, server, session)).firstTab()
  await tab.visit('http://page.test/', HTML)
  const viewer = await launchViewer(t)
  const [view, control] = [await share(server, session, 'view'), await share(server, session, 'control')]
  const first = await openDisplay(viewer, control.url, { width: 1400, height: 900 })
  await eventually('the size', async () => await sizeOf(tab) === '1400x900', 30_000)
  await first.close()
  await eventually('nobody looks', async () => (await viewers(server, session)).every(count => count === 0))
  const alone = await cheat(t, session, view)
  await eventually('the window is shown', () => {
    alone.send(packet('l10:map-windowi1ei0ei0ei700ei500ededee')) // in vain until Xpra has said where it is
    return tab.evaluate('document.visibilityState === "visible"')
  })
  t.equal(await sizeOf(tab), '1400x900', 'who only looks shows it as large as it is, though nobody else does')
  alone.terminate()
  await eventually('nobody looks again', async () => (await viewers(server, session)).every(count => count === 0))

  const looking = await openDisplay(viewer, view.url, { width: 1000, height: 600 })
  const heard = await listenToInput(t, server, session)
  t.equal(await looking.innerText('#view-only'), 'View only')
  await colour(tab, [18, 196, 86])
  await eventually('the picture follows', () => hasColour(looking, [18, 196, 86]), 30_000)
  t.equal(await sizeOf(tab), '1400x900', 'the browser keeps its size, though the page is smaller')
  await tab.evaluate('events.length = 0; field.focus()')

  await looking.mouse.move(300, 300)
  await looking.mouse.click(200, 200)
  await looking.mouse.wheel(0, 300)
  await looking.keyboard.type('typed')
  await looking.keyboard.insertText('pasted')
  await looking.setViewportSize({ width: 900, height: 700 })
  await colour(tab, [200, 40, 120])
  await eventually('the picture follows all the time', () => hasColour(looking, [200, 40, 120]), 30_000)
  t.equal(await statusOf(looking), '', 'the page is not closed for what it sends')

  const key = packet('l10:key-actioni1e1:ai1elei97e1:ai38ei0ee')
  const pointer = packet('l16:pointer-positioni1eli55ei66eelelee')
  const enveloped = (start: number[]) => Buffer.concat([Buffer.from(start), key.subarray(4)])
  const frames: Record<string, Buffer[]> = {
    'a key': [clientFrame(key)],
    'the pointer': [clientFrame(pointer)],
    'a click': [clientFrame(packet('l13:button-actioni1ei1ei1eli55ei66eelelee'))],
    'a size': [clientFrame(packet('l16:configure-windowi1ei0ei0ei700ei500edee'))],
    'a key behind a ping': [clientFrame(Buffer.concat([PING, key]))],
    'a compressed key': [clientFrame(enveloped([0x50, 0, 0x11, 0]))],
    'a key as a chunk': [clientFrame(enveloped([0x50, 0, 0, 1]))],
    'a key in fragments': [clientFrame(key.subarray(0, 12), { final: false }), clientFrame(key.subarray(12), { opcode: 0 })],
    'a key in a compressed frame': [clientFrame(key, { reserved: 0x40 })],
    'a ping so deep that Xpra would not survive it': [clientFrame(packet(`l4:ping${'l'.repeat(100_000)}${'e'.repeat(100_001)}`))],
    'an order in a refresh': [clientFrame(packet('l14:buffer-refreshi-1ei0ei100ededu9:workspacei3eee'))],
    'a second hello, with an order': [clientFrame(packet('l5:hellod7:request4:stopee'))]
  }
  for (const [what, sent] of Object.entries(frames)) {
    const socket = await cheat(t, session, view)
    const closed = once(socket, 'close')
    const { _socket: raw } = socket as unknown as { _socket: { write (bytes: Buffer): void } }
    for (const frame of sent) raw.write(frame)
    t.match((await closed)[0], /^(1002|1003|1008|1009|1006)$/, `${what}: the connection is closed`)
  }
  const stopping = await openSharedSocket(t, session, view.url)
  stopping.send(packet('l5:hellod7:version5:3.1.37:request4:stopee'))
  await once(stopping, 'message')
  stopping.terminate()
  const sizing = await cheat(t, session, view)
  sizing.send(packet('l10:map-windowi1ei0ei0ei700ei500ededee'))
  sizing.send(PING)
  await once(sizing, 'message')
  sizing.terminate()
  await colour(tab, [30, 30, 160])
  await eventually('Xpra goes on', () => hasColour(looking, [30, 30, 160]), 30_000)
  const past = await pastEvents(server, session.id)
  t.strictSame(past.map(({ type }) => type).filter(type => type !== 'viewer-thrown-out'), ['ready'], 'it is the same one all the time')
  t.match(past[1], { type: 'viewer-thrown-out', share: view.id, message: /^A viewer broke the protocol/ }, 'and its owner is told of the link')
  t.strictSame(heard, [], 'the X server has taken no input at all')
  t.strictSame(await tab.evaluate('[field.value, events]'), ['', []], 'and the browser\'s page has heard of nothing')
  t.equal(await sizeOf(tab), '1400x900')

  const acting = await openDisplay(viewer, control.url, { width: 1200, height: 750 })
  await eventually('the size', async () => await sizeOf(tab) === '1200x750', 30_000)
  const top = await tab.evaluate('outerHeight - innerHeight') as number
  await acting.mouse.move(100, 500)
  await eventually('the pointer moves, though somebody only looks', () => heard.includes('motion'))
  await acting.mouse.click(200, 60 + top)
  await acting.keyboard.type('typed', { delay: 20 })
  await eventually('the word', async () => await tab.evaluate('field.value') === 'typed', 30_000)
  t.ok(['key-press', 'button-press', 'motion'].every(kind => heard.includes(kind)), 'the control: by a link to control, all of it arrives')
  await colour(tab, [90, 90, 20])
  for (const page of [looking, acting]) await eventually('both see it', () => hasColour(page, [90, 90, 20]), 30_000)
  await eventually('who looks has the size of who acts', () => looking.evaluate('document.querySelector(".window canvas").width === 1200'))

  await acting.reload()
  await showsPicture(acting)
  for (const [page, { id }] of [[looking, view], [acting, control]] as const) {
    t.equal((await fetch(`${server.url}/sessions/${session.id}/shares/${id}`, { method: 'DELETE' })).status, 200)
    await eventually('the page says so', async () => await statusOf(page) === 'This link has ended.')
    t.equal((await page.reload())?.status(), 404, 'and there is no way back')
  }
  t.equal((await endSession(server, session.id)).status, 200)
  await assertEndsClean(t, server)
})
