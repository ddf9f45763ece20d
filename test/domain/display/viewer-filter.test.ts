import t from 'tap'
import { encode, type Bencoded } from '#domain/display/bencode.ts'
import { ShownWindows } from '#domain/display/shown-windows.ts'
import { viewerFilter, type Viewing } from '#domain/display/viewer-filter.ts'
import { readPacket } from '#domain/display/viewer-hello.ts'
import { ClientFrames, type Frame } from '#domain/display/websocket-frames.ts'
import { packetOf, unpack } from '#domain/display/xpra-packets.ts'
import { clientFrame } from '#support/inputs/frames.ts'

const frameOf = (content: string): Frame => [...new ClientFrames(100_000).read(clientFrame(packetOf(Buffer.from(content, 'latin1'))))][0]!
const frame = (...packet: Bencoded[]) => frameOf(encode(packet))
const hello = (says: Record<string, Bencoded>) => frame('hello', new Map(Object.entries(says)))
const filter = (viewing: Partial<Viewing> = {}) => viewerFilter({ mode: 'view', acted: () => {}, isUnattended: () => true, windows: new ShownWindows(), ...viewing })
const reads = (sent: Buffer | undefined) => sent && readPacket(unpack([...new ClientFrames(100_000).read(sent)][0]!))

t.test('who may act greets as a display page does, once, and gives no orders with it', async t => {
  const good = hello({ version: '3.1.3', share: 1, 'encoding.flush': 1 })
  const control = filter({ mode: 'control' }).pass
  t.equal(control(good), good.raw)
  t.throws(() => control(good), { name: 'ProtocolViolation', closeCode: 1008 }, 'a second time')
  for (const key of ['request', 'stop_request', 'screenshot_request', 'detach_request', 'command_request', 'version_request', 'info-namespace', 'lock', 'window-filters', 'window.min-size', 'mouse.show', 'cipher', 'challenge', 'proxy', 'start-new-session', 'Share', 'share ', '']) {
    t.throws(() => filter({ mode: 'control' }).pass(hello({ version: '3.1.3', [key]: 1 })), { name: 'ProtocolViolation', closeCode: 1008 }, key)
  }
  for (const content of ['l5:helloe', 'l5:hello1:xe', 'l5:hellodedee', 'l5:hellod7:version1:x7:version1:yee', 'l5:hellodi1ei1eee', 'l5:hellod7:versioni1e', 'l5:hellodee4:ping']) {
    t.throws(() => filter({ mode: 'control' }).pass(frameOf(content)), { name: 'ProtocolViolation', closeCode: 1003 }, content)
  }
})

t.test('who only looks is announced by us, whatever they say, and sends nothing by which anything changes', async t => {
  const look = filter().pass
  const [name, says] = reads(look(hello({ request: 'stop', uuid: 'x', keyboard: 1, desktop_size: [100, 100] })))!
  t.equal(name, 'hello')
  const keys = [...(says as Map<string, Bencoded>).keys()]
  t.ok(keys.includes('encodings'))
  t.strictSame(keys.filter(key => /request|uuid|desktop|lock/.test(key)), [])
  t.throws(() => look(hello({})), { name: 'ProtocolViolation', closeCode: 1008 }, 'a second time')
  const needs: Record<string, Bencoded[]> = {
    ping: [1], ping_echo: [1, 0, 0, 0, 0, 'sid'], 'damage-sequence': [7, 1, 800, 600, -1], 'buffer-refresh': [-1, 0, 100], suspend: [1, [1, 2]], resume: [1, []]
  }
  for (const [name, values] of Object.entries(needs)) {
    const options = new Map([['workspace', 3]])
    t.strictSame(reads(look(frame(name, ...values, options, options))), [name, ...values], `${name}: what it must hold, and nothing more`)
    for (const bad of [values.slice(0, -1), [...values.slice(0, -1), options], [...values.slice(0, -1), 'x'.repeat(65)]]) t.throws(() => look(frame(name, ...bad)), { name: 'ProtocolViolation', closeCode: 1008 }, `${name} with ${JSON.stringify(bad)}`)
  }
  t.throws(() => look(frame('suspend', 1, Array<Bencoded>(1001).fill(1))), { name: 'ProtocolViolation', closeCode: 1008 }, 'nor more than a viewer has')
  for (const name of ['key-action', 'button-action', 'pointer-position', 'wheel-motion', 'clipboard-token', 'clipboard-contents', 'clipboard-contents-none', 'focus', 'close-window', 'configure-window', 'desktop_size', 'layout-changed', 'connection-data', 'unmap-window', 'shutdown-server', 'command_request']) {
    t.throws(() => look(frame(name, 1)), { name: 'ProtocolViolation', closeCode: 1008 }, name)
  }
})

t.test('a window is shown for who only looks while nobody else shows it, where and as large as the display says, whatever they say', async t => {
  const placed = packetOf(Buffer.from(encode(['new-window', 3, 10, -20, 800, 600, new Map()])))
  const map3 = frame('map-window', 3, 0, 0, 8, 6, new Map([['event', 'x']]), new Map([['fullscreen', 1]]), 9)
  const looking = (viewing: Partial<Viewing> = {}) => {
    const { pass, readAlong } = filter(viewing)
    readAlong!(placed, 0, placed.length)
    return pass
  }
  t.strictSame(reads(looking()(map3)), ['map-window', 3, 10, -20, 800, 600, new Map(), new Map()])
  t.strictSame(reads(looking()(frame('map-window', 3))), ['map-window', 3, 10, -20, 800, 600, new Map(), new Map()])
  t.equal(filter().pass(map3), undefined, 'not before the display has said where it is')
  t.equal(looking()(frame('map-window', 4, 0, 0, 8, 6)), undefined, 'nor another one')
  t.equal(looking({ isUnattended: () => false })(map3), undefined)
  const windows = new ShownWindows()
  t.ok(looking({ windows })(map3), 'whoever is first')
  t.equal(looking({ windows })(map3), undefined, 'then it is shown')
  const asked = new ShownWindows()
  for (let id = 100; id < 20_000; id++) looking({ windows: asked })(frame('map-window', id, 0, 0, 8, 6))
  t.ok(looking({ windows: asked })(map3), 'however many others are asked for that are not there')
  t.equal(looking({ windows: asked })(map3), undefined, 'and once')
  const others = new ShownWindows()
  filter({ windows: others, mode: 'control' }).pass(frame('configure-window', 3, 1, 2, 640, 480, new Map(), 0, new Map()))
  t.equal(looking({ windows: others })(map3), undefined, 'as it is when who may act has shown it')
  t.equal(filter({ mode: 'control' }).readAlong, undefined, 'of what who may act is shown, nothing is read')
  for (const bad of [[], ['3', 0, 0, 8, 6], [0, 0, 0, 8, 6], [-3, 0, 0, 8, 6], [[3], 0, 0, 8, 6]] as Bencoded[][]) {
    t.throws(() => filter().pass(frame('map-window', ...bad)), { name: 'ProtocolViolation', closeCode: 1008 }, JSON.stringify(bad))
  }
})

t.test('what is so long that reading it would take time is not read', async t => {
  const long = frame('map-window', 3, 0, 0, 8, 6, ...Array<Bencoded>(40_000).fill([]))
  t.throws(() => filter().pass(long), { name: 'ProtocolViolation', closeCode: 1009 })
  t.throws(() => filter({ mode: 'control' }).pass(hello({ 'encoding.x': Array<Bencoded>(40_000).fill([]) })), { name: 'ProtocolViolation', closeCode: 1009 })
})

t.test('what is so deep that Xpra would not survive it is not passed on, from anybody', async t => {
  const deep = (depth: number) => 'l'.repeat(depth) + 'e'.repeat(depth)
  for (const mode of ['view', 'control'] as const) {
    for (const content of [`l4:ping${deep(100_000)}e`, `l4:ping${deep(9)}e`, `l4:pingi1e1_0:xx${deep(20_000)}e`, `l4:ping${'d1:a'.repeat(20_000)}${'e'.repeat(20_001)}`, 'l4:pingi1', 'l4:ping9', 'l4:pingl', 'l4:ping9:e', 'l4:pingu-9:e', 'l4:pingu-4:aaaae', 'l4:pingf1.5ee', 'l4:pingee', 'l4:pingel4:pinge', 'l4:pinge ']) {
      t.throws(() => filter({ mode }).pass(frameOf(content)), { name: 'ProtocolViolation' }, `${mode}: ${content.slice(0, 30)}`)
    }
  }
  const [clipboard] = [frame('clipboard-contents', 1, 'CLIPBOARD', 8, 'bytes', 'l'.repeat(50_000))]
  t.equal(filter({ mode: 'control' }).pass(clipboard!), clipboard!.raw, 'the control: letters are no lists')
})

t.test('only what a person does counts as acting', async t => {
  let acts = 0
  const viewing = { acted: () => { acts++ } }
  filter({ ...viewing, mode: 'control' }).pass(frame('ping', 1))
  t.equal(acts, 0)
  filter({ ...viewing, mode: 'control' }).pass(frame('key-action', 1))
  t.equal(acts, 1)
  t.throws(() => filter(viewing).pass(frame('key-action', 1)))
  t.equal(acts, 1)
})
