import t from 'tap'
import { portRanges, slotAt } from '#domain/machine/slots.ts'

t.test('slot i owns display port 9000+i, dev-server port 8000+i and DevTools port 10000+i', async t => {
  for (const index of [0, 1, 250, 500]) {
    t.strictSame(slotAt(index, 9000), { index, displayPort: 9000 + index, devServerPort: 8000 + index, devToolsPort: 10000 + index })
  }
})

for (const [count, portBase] of [[501, 9000], [1000, 20_000]] as const) {
  t.test(`no two of ${count} slots share a port, and the ranges hold these ports and no other`, async t => {
    const owned = Array.from({ length: count }, (_, index) => slotAt(index, portBase)).flatMap(slot => [slot.displayPort, slot.devServerPort, slot.devToolsPort])
    t.equal(new Set(owned).size, 3 * count)
    const ranges = portRanges(portBase, count)
    t.ok(owned.every(port => ranges.some(([first, last]) => port >= first && port <= last)))
    t.equal(ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0), owned.length)
  })
}
