import t from 'tap'
import { encode, type Bencoded } from '../../src/domain/bencode.ts'
import { viewerFilter, type Viewing } from '../../src/domain/viewer-filter.ts'
import { readPacket } from '../../src/domain/viewer-hello.ts'
import { ClientFrames, type Frame } from '../../src/domain/websocket-frames.ts'
import { packetOf, unpack } from '../../src/domain/xpra-packets.ts'
import { clientFrame } from '../support/frames.ts'

const frameOf = (content: string): Frame => [...new ClientFrames(100_000).read(clientFrame(packetOf(Buffer.from(content, 'latin1'))))][0]!
const frame = (...packet: Bencoded[]) => frameOf(encode(packet))
const hello = (says: Record<string, Bencoded>) => frame('hello', new Map(Object.entries(says)))
const filter = (viewing: Partial<Viewing> = {}) => viewerFilter({ mode: 'view', acted: () => {}, isUnattended: () => true, ...viewing })
const reads = (sent: Buffer | undefined) => sent && readPacket(unpack([...new ClientFrames(100_000).read(sent)][0]!))

t.test('who may act greets as a display page does, once, and gives no orders with it', async t => {
  const good = hello({ version: '3.1.3', share: 1, 'encoding.flush': 1 })
  const control = filter({ mode: 'control' })
  t.equal(control(good), good.raw)
  t.throws(() => control(good), { name: 'ProtocolViolation', closeCode: 1008 }, 'a second time')
  for (const key of ['request', 'stop_request', 'screenshot_request', 'detach_request', 'command_request', 'version_request', 'info-namespace', 'lock', 'window-filters', 'window.min-size', 'mouse.show', 'cipher', 'challenge', 'proxy', 'start-new-session', 'Share', 'share ', '']) {
    t.throws(() => filter({ mode: 'control' })(hello({ version: '3.1.3', [key]: 1 })), { name: 'ProtocolViolation', closeCode: 1008 }, key)
  }
  for (const content of ['l5:helloe', 'l5:hello1:xe', 'l5:hellodedee', 'l5:hellod7:version1:x7:version1:yee', 'l5:hellodi1ei1eee', 'l5:hellod7:versioni1e', 'l5:hellodee4:ping']) {
    t.throws(() => filter({ mode: 'control' })(frameOf(content)), { name: 'ProtocolViolation', closeCode: 1003 }, content)
  }
})

t.test('who only looks is announced by us, whatever they say, and sends nothing by which anything changes', async t => {
  const look = filter()
  const [name, says] = reads(look(hello({ request: 'stop', uuid: 'x', keyboard: 1, desktop_size: [100, 100] })))!
  t.equal(name, 'hello')
  const keys = [...(says as Map<string, Bencoded>).keys()]
  t.ok(keys.includes('encodings'))
  t.strictSame(keys.filter(key => /request|uuid|desktop|lock/.test(key)), [])
  t.throws(() => look(hello({})), { name: 'ProtocolViolation', closeCode: 1008 }, 'a second time')
  for (const name of ['ping', 'ping_echo', 'damage-sequence', 'buffer-refresh', 'suspend', 'resume']) {
    const sent = frame(name, 1)
    t.equal(look(sent), sent.raw, name)
  }
  for (const name of ['key-action', 'button-action', 'pointer-position', 'wheel-motion', 'clipboard-token', 'clipboard-contents', 'clipboard-contents-none', 'focus', 'close-window', 'configure-window', 'desktop_size', 'layout-changed', 'connection-data', 'unmap-window', 'shutdown-server', 'command_request']) {
    t.throws(() => look(frame(name, 1)), { name: 'ProtocolViolation', closeCode: 1008 }, name)
  }
})

t.test('a window is shown for who only looks while nobody else shows it, with nothing but its place', async t => {
  const map = frame('map-window', 3, 10, -20, 800, 600, new Map([['event', 'x']]), new Map([['fullscreen', 1]]), 9)
  t.strictSame(reads(filter()(map)), ['map-window', 3, 10, -20, 800, 600, new Map(), new Map()])
  t.equal(filter({ isUnattended: () => false })(map), undefined)
  for (const bad of [[], [3, 0, 0, 800], [3, 0, 0, 0, 600], [3, 0, 0, -1, 600], ['3', 0, 0, 8, 6], [3, 0, 0, 99_999, 600], [3, 0, 0, 3841, 600], [3, 0, 0, 800, 2161], [3, 3841, 0, 800, 600], [0, 0, 0, 8, 6]] as Bencoded[][]) {
    t.throws(() => filter()(frame('map-window', ...bad)), { name: 'ProtocolViolation', closeCode: 1008 }, JSON.stringify(bad))
  }
})

t.test('what is so long that reading it would take time is not read', async t => {
  const long = frame('map-window', 3, 0, 0, 8, 6, ...Array<Bencoded>(40_000).fill([]))
  t.throws(() => filter()(long), { name: 'ProtocolViolation', closeCode: 1009 })
  t.throws(() => filter({ mode: 'control' })(hello({ 'encoding.x': Array<Bencoded>(40_000).fill([]) })), { name: 'ProtocolViolation', closeCode: 1009 })
})

t.test('only what a person does counts as acting', async t => {
  let acts = 0
  const viewing = { acted: () => { acts++ } }
  filter({ ...viewing, mode: 'control' })(frame('ping', 1))
  t.equal(acts, 0)
  filter({ ...viewing, mode: 'control' })(frame('key-action', 1))
  t.equal(acts, 1)
  t.throws(() => filter(viewing)(frame('key-action', 1)))
  t.equal(acts, 1)
})
