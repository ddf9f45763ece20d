import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'

interface Line { name: string, count?: number, seed?: number, test?: string, passed?: number, failed?: number, seconds?: number, commit?: string }

const FILES = ['lint', 'types', ...globSync('test/**/*.test.ts')]

/** What a run counts that does all that is promised, some of it in parts. */
const ENOUGH: Line[] = [
  { name: 'faults', count: 300 }, { name: 'faults', count: 234 }, { name: 'hostile file paths', count: 324 }, { name: 'raw HTTP requests', count: 210 },
  { name: 'malformed WebSocket frames', count: 111 }, { name: 'mutated JSON bodies', count: 100_000, seed: 42 }, { name: 'create/delete cycles', count: 1000 },
  { name: 'sessions at once', count: 500 }, { name: 'real sessions at once', count: 20 }, { name: 'model runs', count: 40, seed: 7 },
  { name: 'audits', count: 900 }, { name: 'leaked', count: 0 },
  ...FILES.map(test => ({ name: 'outcome', test, passed: 1, failed: 0, seconds: 60, commit: '0123456789ab' }))
]

/** Runs the generator; `document` is what it wrote, if anything. */
function generate (t: Test, lines: Line[]): { code: number | null, stderr: string, document: string | undefined } {
  const folder = t.testdir({ 'tally.jsonl': lines.map(line => JSON.stringify(line) + '\n').join('') })
  const path = `${folder}/reliability.md`
  const { status, stderr } = spawnSync(process.execPath, ['bin/reliability.mjs', `${folder}/tally.jsonl`, path], { encoding: 'utf8' })
  return { code: status, stderr, document: existsSync(path) ? readFileSync(path, 'utf8') : undefined }
}

t.test('docs/reliability.md says what a whole run has counted, with its seeds, its commit and its machine', async t => {
  const { code, stderr, document = '' } = generate(t, ENOUGH)
  t.equal(code, 0, stderr)
  t.match(document, '**534 faults, 100,645 hostile inputs, 1,000 cycles, 0 leaked.**')
  t.match(document, '| Mutated JSON bodies | 100,000 | 42 |')
  t.match(document, '| Sessions at once, with a light display | 500 |')
  t.match(document, `${FILES.length} checks passed and none failed, in ${FILES.length} minutes`)
  t.match(document, /at commit 0123456789ab\.$/m)
  t.match(document, process.versions.node)
})

t.test('it says which files were made again at another commit', async t => {
  const again = ENOUGH.map(line => line.test === 'lint' ? { ...line, commit: 'abcdef012345' } : line)
  t.match(generate(t, again).document, 'at commit 0123456789ab; and of `lint` at abcdef012345.')
})

t.test('it is not written when a count is too low, a test failed, something leaked or the run was not whole: the one line says which', async t => {
  const without = (name: string) => ENOUGH.filter(line => line.name !== name)
  const cases: [Line[], string][] = [
    ...ENOUGH.filter(({ count = 0 }) => count > 0).map(({ name }): [Line[], string] => [without(name), `0 ${name}, and not `]),
    [[...without('sessions at once'), { name: 'sessions at once', count: 499 }], '499 sessions at once, and not 500'],
    [[...ENOUGH, { name: 'leaked', count: 1 }], '1 leaked'],
    [without('leaked'), 'no test has counted leaks'],
    [ENOUGH.map(line => line.test === 'types' ? { ...line, failed: 1 } : line), '1 of types failed'],
    [ENOUGH.filter(({ test }) => test !== 'test/docs.test.ts'), 'no outcome of test/docs.test.ts: run it with npm run test:long'],
    [[], `no outcome of lint, types, ${FILES[2]}, `]
  ]
  for (const [lines, problem] of cases) {
    const { code, stderr, document } = generate(t, lines)
    t.equal(code, 1, problem)
    t.match(stderr, problem)
    t.equal(stderr.trimEnd().split('\n').length, 1, 'in one line')
    t.equal(document, undefined, 'nothing is written')
  }
})

t.test('a document that was written before stays as it was when it cannot be written anew', async t => {
  const folder = t.testdir({ 'reliability.md': 'before', 'tally.jsonl': '' })
  writeFileSync(`${folder}/tally.jsonl`, JSON.stringify(ENOUGH[0]) + '\n')
  const { status } = spawnSync(process.execPath, ['bin/reliability.mjs', `${folder}/tally.jsonl`, `${folder}/reliability.md`])
  t.equal(status, 1)
  t.equal(readFileSync(`${folder}/reliability.md`, 'utf8'), 'before')
})
