import t from 'tap'
import { portRanges, slotAt } from '#domain/machine/slots.ts'

t.test('slot i owns display port 9000+i, dev-server port 8000+i and DevTools port 10000+i', async t => {
  for (const index of [0, 1, 250, 500]) {
    t.strictSame(slotAt(index, 9000), { index, displayPort: 9000 + index, devServerPort: 8000 + index, devToolsPort: 10000 + index })
  }
})

t.test('no two of the 501 slots share a port, and the ranges hold these ports and no other', async t => {
  const owned = Array.from({ length: 501 }, (_, index) => slotAt(index, 9000)).flatMap(slot => [slot.displayPort, slot.devServerPort, slot.devToolsPort])
  t.equal(new Set(owned).size, 3 * 501)
  const ranges = portRanges(9000, 501)
  t.ok(owned.every(port => ranges.some(([first, last]) => port >= first && port <= last)))
  t.equal(ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0), owned.length)
})
