// Runs every check: lint, types, then all tests, one file after the other. Ends with "N passed, N failed".
//   node bin/test.mjs [FILE...]
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'

const TEST_DATA = '/var/lib/ex10-test'
const files = process.argv.slice(2)
let passed = 0
let failed = 0

if (files.length === 0) {
  check('lint', 'eslint', ['.'])
  check('types', 'tsc', ['--noEmit'])
}
await runTests()
removeLeftovers()
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
  const tap = spawn('tap', ['--reporter=tap', '--jobs=1', ...files], { stdio: ['ignore', 'pipe', 'inherit'] })
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
