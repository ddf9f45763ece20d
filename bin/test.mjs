// Runs every check: lint, types, then all tests, two files at a time except those of test/flows/alone. Its last lines are the
// counts of the tests, and then "N passed, N failed". The counts and the outcome of each file stay in the file that
// EX10_TALLY names.
import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { commit, readTally, sumTally } from './tally.mjs'

const TEST_DATA = '/var/lib/ex10-test'
/** The number of test files side by side. Each has its own ports, uids and names (test/support/servers/span.ts), and mostly waits. */
const JOBS = 2
const CLAIMS = '/run/ex10/instances.db'
const RUN = Number(process.env.EX10_TEST_SPAN ?? 0)
const USAGE = `usage: npm test -- [--long] [FILE...]

Runs every check. With --long, the tests run in full numbers, for more than an hour; if all pass, docs/reliability.md is written.
With FILEs, only those run, on top of an earlier run: its counts of other files stay.`
const { values: { long: isLong = false }, positionals: files } = readWords()
const TALLY = process.env.EX10_TALLY || `${TEST_DATA}/tally-${isLong ? 'long' : RUN}.jsonl`
/** Time limit of one file. */
const FILE_SECONDS = isLong ? 7200 : 480
/** The most files that run again after a failure. */
const MOST_AGAIN = 4
/** A failure in tap's output, with its diagnostics. */
const FAILURE = /^ *not ok .*(\n *---\n[^]*?\n *\.{3}$)?/gm
/** The outcome of each file: the numbers of passed and failed tests. */
const outcomes = new Map()

removeLeftovers() // of an aborted run
keepTally()
if (files.length === 0) {
  check('lint', 'eslint', ['.'])
  check('types', 'tsc', ['--noEmit'])
}
await runTests()
removeLeftovers()
for (const [name, { count, seeds }] of sumTally(readTally(TALLY))) console.log(`# ${count} ${name}${seeds.map(seed => `, EX10_TEST_SEED=${seed}`).join('')}`)
const sum = key => [...outcomes.values()].reduce((total, outcome) => total + outcome[key], 0)
const isGreen = sum('failed') === 0 && sum('passed') > 0
const isWritten = !(isLong && isGreen) || spawnSync(process.execPath, ['bin/reliability.mjs', TALLY], { stdio: 'inherit' }).status === 0
console.log(`${sum('passed')} passed, ${sum('failed')} failed`)
process.exitCode = isGreen && isWritten ? 0 : 1

/** Returns the options and the files of the command line. Ends the process with the usage for --help and for an unknown option. */
function readWords () {
  try {
    const words = parseArgs({ allowPositionals: true, options: { long: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })
    if (!words.values.help) return words
    console.log(USAGE)
    process.exit()
  } catch (error) {
    console.error(`ex10: ${error.message.split(/\.\s/)[0]}\n${USAGE}`)
    process.exit(1)
  }
}

/** Keeps the lines of an earlier run, without those of files that run again or no longer exist. */
function keepTally () {
  const isThere = test => !test.startsWith('test/') || existsSync(test.split(' ')[0])
  const kept = files.length > 0 ? readTally(TALLY).filter(({ test }) => isThere(test) && !files.some(file => test.startsWith(file))) : []
  writeFileSync(TALLY, kept.map(line => JSON.stringify(line) + '\n').join(''))
}

function check (name, command, args) {
  console.log(`# ${name}`)
  const startedAt = performance.now()
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  note(name, { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1 }, performance.now() - startedAt)
}

/**
 * Runs the tests. A skipped test, a test marked to do, and a file without tests are failures: a green run means that all tests
 * ran. Files that failed run once more, one at a time: on a busy machine a file may fail that is green by itself. The second
 * outcome counts, and the output names such files. Many failures are no chance: then nothing runs again.
 */
async function runTests () {
  const failed = await runTap(files, JOBS)
  if (isLong || failed.length === 0 || failed.length > MOST_AGAIN) return
  console.log(`# again, one at a time: ${failed.join(' ')}`)
  removeLeftovers()
  const still = await runTap(failed, 1)
  for (const file of failed.filter(file => !still.includes(file))) console.log(`# failed beside another file, and passed by itself: ${file}`)
}

/** Runs these files, or all, so many side by side. Returns those that failed. */
async function runTap (files, jobs) {
  const env = { ...process.env, EX10_TALLY: TALLY, ...isLong && { EX10_TEST_LONG: '1' } }
  const tap = spawn('tap', ['--reporter=tap', `--jobs=${jobs}`, `--timeout=${FILE_SECONDS}`, ...files], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise(resolve => tap.once('exit', resolve))
  let text = ''
  for await (const chunk of tap.stdout.setEncoding('utf8')) {
    process.stdout.write(chunk)
    text += chunk
  }
  const bad = noteFiles(text)
  for (const failure of text.match(FAILURE) ?? []) console.log(failure) // again, at the end, where people look first
  for (const line of bad) console.log(`failed or skipped: ${line.trim()}`)
  if (await ended !== 0 && bad.length === 0) note('tap', { passed: 0, failed: 1 })
  return [...outcomes].filter(([file, { failed }]) => failed > 0 && existsSync(file)).map(([file]) => file)
}

/** Notes the outcome of each file in tap's output. Returns the lines of failed and skipped tests. */
function noteFiles (text) {
  const bad = []
  let outcome = { passed: 0, failed: 0 }
  let file
  for (const line of text.split('\n')) {
    const [, indent, not, name, ms, brace] = /^( {4})?(not )?ok \d+ - (.*?)(?: # time=([\d.]+)ms)?( \{)?$/.exec(line) ?? []
    const isBad = Boolean(not) || (name !== undefined && /# (SKIP|TODO)/i.test(line))
    if (isBad) bad.push(line)
    if (indent) outcome[isBad ? 'failed' : 'passed']++ // the result of a t.test() of the file
    else if (name !== undefined) file = { name, isBad, ms: Number(ms) }
    // the tests of a file that ran beside others come after its own result, in braces
    const isWhole = line === '}' || (name !== undefined && !indent && !brace)
    if (!file || !isWhole) continue
    if (file.isBad && outcome.failed === 0) outcome.failed = 1
    note(file.name, outcome, file.ms)
    outcome = { passed: 0, failed: 0 }
    file = undefined
  }
  return bad
}

function note (file, outcome, ms = 0) {
  outcomes.set(file, outcome)
  appendFileSync(TALLY, JSON.stringify({ name: 'outcome', test: file, ...outcome, seconds: Math.round(ms / 1000), commit: commit() }) + '\n')
}

/**
 * Removes the leftovers of servers that a failed test of this run has abandoned: their sessions' processes, cgroups, accounts
 * and rules, and their data folders with the mounts there. The templates' stores stay, for the next run.
 */
function removeLeftovers () {
  const spans = Array.from({ length: JOBS }, (_, job) => RUN * JOBS + job)
  const isLeft = path => spans.some(span => path.startsWith(`${TEST_DATA}/data-${span}-`))
  const isOurs = instance => spans.some(span => instance.startsWith(`ex10t${span}_`))
  removeGroups(globSync('/sys/fs/cgroup/**/ex10t*').filter(path => isOurs(basename(path))))
  for (const [name, , , , , home = ''] of readFileSync('/etc/passwd', 'utf8').split('\n').map(line => line.split(':'))) {
    if (isLeft(home)) spawnSync('userdel', ['--force', name], { stdio: 'inherit' })
  }
  for (const line of (spawnSync('nft', ['list', 'tables'], { encoding: 'utf8' }).stdout ?? '').split('\n')) {
    const [, family, table = ''] = line.split(' ')
    if (isOurs(table)) spawnSync('nft', ['delete', 'table', family, table], { stdio: 'inherit' })
  }
  releaseClaims(isOurs)
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n').map(line => line.split(' ')[1] ?? '')
  for (const point of mounts.filter(isLeft).reverse()) spawnSync('umount', [point], { stdio: 'inherit' })
  for (const file of globSync('/sys/block/loop*/loop/backing_file')) {
    if (isLeft(readFileSync(file, 'utf8'))) spawnSync('losetup', ['--detach', `/dev/${file.split('/')[3]}`], { stdio: 'inherit' })
  }
  for (const path of globSync(`${TEST_DATA}/data-*`).filter(isLeft)) rmSync(path, { recursive: true, force: true })
}

/** Deletes the claims of these servers (src/system/instance/claims.ts): their sessions are gone, and they do not start again. */
function releaseClaims (isOurs) {
  if (!existsSync(CLAIMS)) return
  const database = new DatabaseSync(CLAIMS)
  const instances = database.prepare('SELECT instance FROM claims').all().map(row => row.instance)
  for (const instance of instances.filter(isOurs)) database.prepare('DELETE FROM claims WHERE instance = ?').run(instance)
  database.close()
}

/** Kills all processes in the instances' groups, and removes the groups. */
function removeGroups (instances) {
  const groups = instances.flatMap(path => globSync(`${path}/**/cgroup.procs`)).map(dirname).sort().reverse() // the innermost first
  const pids = () => groups.flatMap(group => readFileSync(`${group}/cgroup.procs`, 'utf8').split('\n').filter(Boolean))
  for (let time = 0; time < 100 && pids().length > 0; time++) {
    spawnSync('kill', ['-9', ...pids()]) // some may have ended in the meantime
    spawnSync('sleep', ['0.1'])
  }
  if (groups.length > 0) spawnSync('rmdir', groups, { stdio: 'inherit' })
}
