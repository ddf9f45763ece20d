import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { NODE_COMPILE_CACHE } from '#support/servers/server.ts'

interface Ran { code: unknown, stdout: string, stderr: string }

/** A command without any setting. It gets no variable of its test's process, either. */
function command (...argv: string[]): Promise<Ran> {
  return new Promise(resolve => execFile(process.execPath, argv, { env: { PATH: process.env.PATH, NODE_COMPILE_CACHE } }, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr })))
}

/** All programs that a person starts. */
const PROGRAMS = ['bin/admin.mjs', 'bin/audit.mjs', 'bin/backup.mjs', 'bin/ex10.mjs', 'bin/keys.mjs', 'bin/restore.mjs', 'bin/service.mjs', 'bin/setup.mjs', 'bin/test.mjs', 'bin/upgrade.mjs', 'src/server.ts', 'test/bench/bench.ts', 'test/bench/stores.ts']

t.test('every script of the project is one of these programs, or a tool', async t => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  const started = Object.values(scripts).flatMap(script => [...script.matchAll(/\b(?:bin|src|test)\/[\w/]+\.(?:mjs|ts)(?= |$)/g)].map(([file]) => file))
  t.strictSame([...new Set([...started, 'bin/ex10.mjs'])].sort(), PROGRAMS)
})

t.test('--help prints the usage on standard output, and is no failure', async t => {
  for (const { code, stdout, stderr } of await Promise.all(PROGRAMS.map((file, index) => command(file, index % 2 ? '--help' : '-h')))) {
    t.match(stdout, /^usage: /)
    t.strictSame([code, stderr], [0, ''], stdout)
    if (stdout.startsWith('usage: npm start')) t.match(stdout, /^ {2}EX10_PORT=3001 +Port to listen on; 0 takes a free one$/m, 'the server lists its settings')
  }
})

t.test('an unknown argument is refused with the usage, before anything is done', async t => {
  const table: [string, number, RegExp, ...string[]][] = [
    ['bin/admin.mjs', 1, /^ex10: --state does not go with "stats"\n/, 'stats', '--state', 'ready'], ['bin/admin.mjs', 1, /^ex10: unknown argument "b"\n/, 'kill', 'a', 'b'],
    ['bin/keys.mjs', 1, /^ex10: there is no command "lists"\n/, 'lists'], ['bin/audit.mjs', 2, /^ex10: Unknown option '--json'\n/, '--json', 'x'], ['bin/setup.mjs', 1, /^ex10: unknown argument "--tests"\n/, '--tests'],
    ['bin/ex10.mjs', 1, /^ex10: Unknown option '--nope'\n/, 'dev', '--nope'], ['bin/test.mjs', 1, /^ex10: Unknown option '--nope'\n/, '--nope'], ['test/bench/bench.ts', 1, /^ex10: ROUNDS /, 'many'], ['test/bench/stores.ts', 1, /^ex10: unknown argument "many"\n/, 'many'],
    ['bin/service.mjs', 1, /^ex10: Unknown option '--nope'\n/, '--nope'], ['bin/upgrade.mjs', 1, /^ex10: Unknown option '--nope'\n/, '--nope'], ['bin/restore.mjs', 1, /^ex10: unknown argument "b"\n/, 'a', 'b'],
    ['src/server.ts', 1, /^ex10: unknown argument "--port"\n/, '--port', '3002']
  ]
  for (const [[file, wanted, message, ...words], { code, stdout, stderr }] of await Promise.all(table.map(async row => [row, await command(row[0], ...row.slice(3) as string[])] as const))) {
    t.strictSame([code, stdout], [wanted, ''], [file, ...words].join(' '))
    t.match(stderr, message)
    t.match(stderr, /^usage: /m)
  }
})
