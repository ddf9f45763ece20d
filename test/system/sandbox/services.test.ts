import { mkdirSync, writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { setTimeout as delay } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { readLog } from '#system/sandbox/services.ts'

function logOf (t: Test, files: Record<string, string>): string {
  const dir = t.testdir({})
  mkdirSync(`${dir}/logs/browser`, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(`${dir}/logs/browser/${name}`, text)
  return dir
}

t.test('the last lines of a log are those that were printed last, over a rotation too', async t => {
  const cases: [files: Record<string, string>, tail: number, lines: string[]][] = [
    [{}, 3, []], [{ current: '' }, 3, []], [{ current: '\n' }, 3, ['']], [{ current: '\n\n' }, 3, ['', '']], [{ current: 'one' }, 3, ['one']],
    [{ current: 'one\ntwo\n' }, 3, ['one', 'two']], [{ current: 'one\ntwo\nthr' }, 2, ['two', 'thr']], [{ current: 'one\n' }, 0, []],
    [{ '@1.s': 'oldest\n', '@2.s': 'one\ntwo\n', current: 'three\n' }, 2, ['two', 'three']], [{ '@1.s': 'one\n', current: '' }, 2, ['one']], [{ current: '\none\n' }, 5, ['', 'one']]
  ]
  for (const [files, tail, lines] of cases) t.strictSame(await readLog(logOf(t, files), 'browser', tail), lines, JSON.stringify([files, tail]))
  t.strictSame(await readLog(logOf(t, { current: `${'ä'.repeat(9)}\n` }), 'browser', 1, 5), ['ää'], 'cut where a letter ends')
})

t.test('whoever keeps some lines does not keep the log that they were in', async t => {
  const dir = logOf(t, { current: `${'a line of a log that nobody asked for, ä\n'.repeat(20_000)}` })
  const kept: string[][] = []
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const used = () => {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return (heapUsed + external) / 2 ** 20
  }
  for (let time = 0; time < 20; time++) kept.push(await readLog(dir, 'browser', 5, 500))
  const before = used()
  for (let time = 0; time < 200; time++) kept.push(await readLog(dir, 'browser', 5, 500))
  t.equal(kept.length, 220)
  let grown = Infinity
  for (let round = 0; round < 20 && grown >= 10; round++) {
    await delay(50) // what was read from files is given back later
    grown = used() - before
  }
  t.ok(grown < 10, `${grown.toFixed(1)} MiB for 200 times five lines, of a log of 800 KiB`)
})
