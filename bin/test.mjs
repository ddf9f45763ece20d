// Runs every check: lint, types, then all tests, one file after the other. Ends with what the tests counted, and then
// "N passed, N failed". What they counted stays in the file that EX10_TALLY names, with the outcome of the run.
//   node bin/test.mjs [FILE...]     EX10_TEST_LONG=1: in full numbers, for hours
import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, readdirSync, rmSync } from 'node:fs'
import { readTally, sumTally } from './tally.mjs'

const TEST_DATA = '/var/lib/ex10-test'
const TALLY = process.env.EX10_TALLY || `${TEST_DATA}/tally-${process.env.EX10_TEST_SPAN ?? 0}.jsonl`
/** How long one file may take. */
const FILE_SECONDS = process.env.EX10_TEST_LONG === '1' ? 7200 : 900
const files = process.argv.slice(2)
const startedAt = performance.now()
let passed = 0
let failed = 0

rmSync(TALLY, { force: true })
if (files.length === 0) {
  check('lint', 'eslint', ['.'])
  check('types', 'tsc', ['--noEmit'])
}
await runTests()
removeLeftovers()
for (const [name, { count, seeds }] of sumTally(readTally(TALLY))) console.log(`# ${count} ${name}${seeds.map(seed => `, EX10_TEST_SEED=${seed}`).join('')}`)
if (files.length === 0) appendFileSync(TALLY, JSON.stringify({ name: 'run', passed, failed, seconds: Math.round((performance.now() - startedAt) / 1000) }) + '\n')
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

function check (name, command, args) {
  console.log(`# ${name}`)
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  if (status === 0) passed++
  else failed++
}

/** A skipped test, one marked to do, or a file without any test is a failure: a green run means that all of it ran. */
async function runTests () {
  const tap = spawn('tap', ['--reporter=tap', '--jobs=1', `--timeout=${FILE_SECONDS}`, ...files], { env: { ...process.env, EX10_TALLY: TALLY }, stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  for await (const chunk of tap.stdout.setEncoding('utf8')) {
    process.stdout.write(chunk)
    text += chunk
  }
  const status = await new Promise(resolve => tap.exitCode === null ? tap.once('exit', resolve) : resolve(tap.exitCode))
  // the results of t.test(): indented once, below their file
  const results = text.split('\n').filter(line => /^ {4}(not )?ok \d+ - /.test(line))
  const bad = results.filter(line => /^ +not ok|# (SKIP|TODO)/i.test(line))
  const skippedFiles = text.split('\n').filter(line => /^(not )?ok .*# (SKIP|TODO)/i.test(line))
  passed += results.length - bad.length
  failed += bad.length + skippedFiles.length
  for (const line of [...bad, ...skippedFiles]) console.log(`failed or skipped: ${line.trim()}`)
  if (status !== 0 && bad.length === 0) failed++
}

/** The data folders of servers that a failed test of this run left; the templates' stores stay, for the next run. */
function removeLeftovers () {
  const prefix = `data-${process.env.EX10_TEST_SPAN ?? 0}-`
  for (const name of readdirSync(TEST_DATA).filter(name => name.startsWith(prefix))) rmSync(`${TEST_DATA}/${name}`, { recursive: true, force: true })
}
