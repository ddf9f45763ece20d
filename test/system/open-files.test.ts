import { execFileSync } from 'node:child_process'
import t from 'tap'

/** What two calls answer in a process that has no file left to open. */
const PROGRAM = `
import { openSync } from 'node:fs'
const { run } = await import('${new URL('../../src/system/run.ts', import.meta.url)}')
const { answersHttp } = await import('${new URL('../../src/system/tcp.ts', import.meta.url)}')
const ask = () => answersHttp(1, '/', AbortSignal.timeout(5000)).catch(error => error.cause.code)
const command = () => run(['true']).catch(error => [error.name, error.cause.code].join(' '))
const before = [await ask(), await command()]
try { for (;;) openSync('/dev/null') } catch {}
console.log(JSON.stringify([...before, await ask(), await command()]))
`

t.test('without a file left to open, a command has failed and a listener was not asked: nothing is concluded of either', async t => {
  const output = execFileSync('prlimit', ['--nofile=100', process.execPath, '--input-type=module', '-e', PROGRAM], { encoding: 'utf8' })
  t.strictSame(JSON.parse(output), [false, '', 'EMFILE', 'CommandFailed EMFILE'])
})
