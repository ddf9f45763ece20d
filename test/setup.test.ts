import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import t from 'tap'

/** Set-up as `npm start` has it. */
function setUp (env: Record<string, string>, ...args: string[]): { code: number | null, stdout: string, stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['bin/setup.mjs', ...args], { env: { PATH: process.env.PATH, ...env }, encoding: 'utf8' })
  return { code: status, stdout, stderr }
}

t.test('a wrong setting is told in one line that names it, before anything is installed and into no folder', async t => {
  const folder = `/tmp/ex10-setup-${process.pid}`
  const unused = mkdtempSync('/var/lib/ex10-setup-')
  t.teardown(() => { for (const path of [folder, unused]) rmSync(path, { recursive: true, force: true }) })
  const table: [Record<string, string>, RegExp, ...string[]][] = [
    [{ EX10_DATA_DIR: folder }, /^ex10: EX10_DATA_DIR=\/tmp\/\S+ cannot be used: .*\n$/],
    [{ EX10_DATA_DIR: folder }, /^ex10: EX10_DATA_DIR=\/tmp\/\S+ cannot be used: .*\n$/, '--test'],
    [{ EX10_DATA_DIR: unused, EX10_INSTANCE: 'ex10; flush ruleset' }, /^ex10: EX10_INSTANCE=ex10; flush ruleset cannot be used: .*\n$/],
    [{ EX10_DATA_DIR: unused, EX10_ALLOW_NETS: '10.0.0.0/33' }, /^ex10: EX10_ALLOW_NETS=10\.0\.0\.0\/33 cannot be used: .*\n$/]
  ]
  for (const [env, message, ...args] of table) {
    const { code, stdout, stderr } = setUp(env, ...args)
    t.strictSame([code, stdout], [1, ''], 'it stops, and nothing is installed')
    t.match(stderr, message)
  }
  t.notOk(existsSync(folder), 'a folder that cannot be used is not made')
  t.strictSame(readdirSync(unused), [], 'and one that could be used stays empty')
})

t.test('what measures and what tests set up what they need, as npm start does', async t => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  t.match(scripts.start, /^node bin\/setup\.mjs && /)
  for (const name of ['test', 'test:long', 'bench']) t.match(scripts[name], /^EX10_DATA_DIR=\/var\/lib\/ex10-test node bin\/setup\.mjs (--test )?&& /, name)
})
