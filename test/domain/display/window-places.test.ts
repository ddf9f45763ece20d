import t from 'tap'
import { encode, type Bencoded } from '#domain/display/bencode.ts'
import { WindowPlaces } from '#domain/display/window-places.ts'
import { packetOf } from '#domain/display/xpra-packets.ts'

const packet = (...values: Bencoded[]) => packetOf(Buffer.from(encode(values), 'latin1'))
/** A picture as Xpra sends one: its bytes as a chunk of their own, then the packet. */
const picture = (length: number) => {
  const chunk = packetOf(Buffer.alloc(length, 'l10:new-windowi1ei9ei9ei9ei9ee'))
  chunk[3] = 7
  return Buffer.concat([chunk, packet('draw', 1, 0, 0, 800, 600, 'jpeg', '', 3, 0, new Map([['flush', 0]]))])
}
const lost = (id: number) => packet('lost-window', id)
const after = (...parts: Buffer[]) => {
  const places = new WindowPlaces()
  for (const part of parts) places.read(part, 0, part.length)
  return places
}

t.test('a window is where the display has said last, however its bytes are cut', async t => {
  const stream = Buffer.concat([
    packet('hello', new Map([['version', '3.1.3']])), picture(0), packet('new-window', 1, 0, -20, 1600, 1000, new Map([['title', 'é'.repeat(300)]]), new Map()), picture(5000),
    packet('new-window', 2, 5, 6, 70, 80, new Map()), packet('window-resized', 1, 1400, 900, 3), packet('window-move-resize', 2, -7, 8, 90, 100, 4), packet('ping', 1)
  ])
  for (let cut = 0; cut <= stream.length; cut++) {
    const places = after(stream.subarray(0, cut), stream.subarray(cut))
    if (String([places.of(1), places.of(2)]) !== '0,-20,1400,900,-7,8,90,100') t.fail(`cut at ${cut}: ${places.of(1)}, ${places.of(2)}`)
  }
  const bytewise = after(...Array.from(stream, byte => Buffer.from([byte])))
  t.strictSame([bytewise.of(1), bytewise.of(2)], [[0, -20, 1400, 900], [-7, 8, 90, 100]])
})

t.test('of what else there is, nothing is taken for a place', async t => {
  t.strictSame(after(picture(300)).of(1), undefined, 'the bytes of a picture')
  t.strictSame(after(packet('window-resized', 1, 800, 600)).of(1), undefined, 'the size of a window that is not known')
  for (const [values] of [[[1, 2, 3, 4]], [['1', 0, 0, 8, 6]], [[1, 0, 0, -8, 6]], [[1, 0, 0, 0, 6]], [[1, 0, 0, 8, 100_000]], [[1, 0, 0, 8, 12_345_678_901]], [[1, 0, 0, 8]]] as Bencoded[][][]) {
    t.strictSame(after(packet('new-window', ...values!)).of(1), undefined, JSON.stringify(values))
  }
  t.strictSame(after(packet('new-override-redirect', 1, 0, 0, 8, 6, new Map())).of(1), undefined, 'a menu is not shown by anybody')
})

t.test('of a display that says much, no more is kept than of one with a thousand windows open', async t => {
  const opened = Array.from({ length: 5000 }, (_, i) => packet('new-window', i + 1, 0, 0, 8, 6))
  const places = after(...opened, packet('new-window', 1, 1, 1, 80, 60))
  t.ok(places.of(1000))
  t.notOk(places.of(1001))
  t.strictSame(places.of(1), [1, 1, 80, 60], 'those that are known still move')
  const later = after(...opened.flatMap((packet, i) => [packet, lost(i + 1)]), packet('new-window', 5001, 0, 0, 8, 6))
  t.notOk(later.of(1), 'one that is closed is forgotten')
  t.strictSame(later.of(5001), [0, 0, 8, 6], 'so however many there were, the next one is known')
})
