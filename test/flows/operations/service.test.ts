import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { read } from '#support/servers/client.ts'
import { assertEndsClean, listSessions, next, serve } from '#support/servers/creation.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { createSession, endSession, TEST_DATA } from '#support/servers/server.ts'

const UNIT = 'etc/systemd/system/ex10.service'
const SLICE = 'etc/systemd/system/ex10.slice'
const SETTINGS = 'etc/ex10/ex10.env'

/** The README's commands for a service: install, start, look. */
const [, ...commands] = /```sh\n(npm run install-service)\n(systemctl .*)\n(curl .*)\n```/.exec(readFileSync('README.md', 'utf8')) ?? []

interface Ran { code: number | null, stdout: string, stderr: string }

function run (command: string, ...args: string[]): Ran {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env: { PATH: process.env.PATH, EX10_DATA_DIR: TEST_DATA } })
  return { code: status, stdout, stderr }
}

const service = (...words: string[]) => run(process.execPath, 'bin/service.mjs', ...words)

/** A folder that stands for the root of a machine. */
function aRoot (t: Test): string {
  const root = mkdtempSync(`${TEST_DATA}/service-`)
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  return root
}

/** The values of a directive of the unit. */
const valuesOf = (unit: string, name: string) => [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value!)

t.test('the service is installed below a root and removed from it; settings that are there stay as they are', async t => {
  const root = aRoot(t)
  t.match(service('--root', root), { code: 0, stderr: '' })
  const unit = readFileSync(`${root}/${UNIT}`, 'utf8')
  t.equal(service('--dry-run').stdout, unit, 'a dry run prints the unit')
  t.notMatch(unit, /@[A-Z]+@/, 'every place of the template is filled')
  t.strictSame(valuesOf(unit, 'EnvironmentFile'), [`/${SETTINGS}`])
  t.equal(statSync(`${root}/${SETTINGS}`).mode & 0o777, 0o600)
  writeFileSync(`${root}/${SETTINGS}`, 'EX10_MAX_SESSIONS=3\n')
  t.match(service('--root', root), { code: 0, stdout: /Kept .*ex10\.env/ })
  t.equal(readFileSync(`${root}/${SETTINGS}`, 'utf8'), 'EX10_MAX_SESSIONS=3\n')
  t.match(service('--root', root, '--uninstall'), { code: 0 })
  t.throws(() => statSync(`${root}/${UNIT}`), /ENOENT/)
  t.throws(() => statSync(`${root}/${SLICE}`), /ENOENT/)
  t.equal(readFileSync(`${root}/${SETTINGS}`, 'utf8'), 'EX10_MAX_SESSIONS=3\n', 'they outlive the unit')
  t.match(service('--root', root, '--uninstall'), { code: 1, stderr: /^ex10: there is no .*: nothing to remove\n$/ })
  t.match(service('--help'), { code: 0, stdout: /^usage: / })
  for (const words of [['--lost'], ['--dry-run', '--uninstall'], ['word']]) t.match(service(...words), { code: 1, stderr: /usage: npm run install-service/ }, words.join(' '))
  const odd = `${root}/a folder`
  for (const name of ['bin', 'systemd']) cpSync(name, `${odd}/${name}`, { recursive: true })
  t.match(run(process.execPath, `${odd}/bin/service.mjs`, '--dry-run'), { code: 1, stdout: '', stderr: /^ex10: a unit cannot name the folder .*\n$/ })
})

t.test('systemd finds no fault in the unit and its slice', async t => {
  const root = aRoot(t)
  service('--root', root)
  const verify = () => run('systemd-analyze', 'verify', '--man=no', `${root}/${UNIT}`, `${root}/${SLICE}`)
  t.strictSame(verify(), { code: 0, stdout: '', stderr: '' })
  const unit = readFileSync(`${root}/${UNIT}`, 'utf8')
  writeFileSync(`${root}/${UNIT}`, unit.replace('KillMode=process', 'KilMode=process').replace('@clock', '@clocks'))
  t.match(verify().stderr, /KilMode[^]*@clocks/, 'the control')
})

t.test('the unit\'s command, with its environment and its rights, keeps sessions over a restart', async t => {
  const root = aRoot(t)
  mkdirSync(`${root}/etc/ex10`, { recursive: true })
  writeFileSync(`${root}/${SETTINGS}`, '# of a test\nEX10_IDLE_TIMEOUT="1800"\n')
  service('--root', root)
  const unit = readFileSync(`${root}/${UNIT}`, 'utf8')
  const [command = '', ...args] = valuesOf(unit, 'ExecStart')[0]!.split(' ')
  t.strictSame([realpathSync(command), args], [realpathSync(process.execPath), ['src/server.ts']], 'the tests start servers by the same command')
  t.strictSame([valuesOf(unit, 'WorkingDirectory'), valuesOf(unit, 'KillMode'), valuesOf(unit, 'Restart')], [[process.cwd()], ['process'], ['always']])
  const { readSettings } = await import('../../../bin/settings-file.mjs' as string) as { readSettings (file: string): Record<string, string> }
  const environment = { ...Object.fromEntries(valuesOf(unit, 'Environment').map(line => line.split('='))), ...readSettings(`${root}/${SETTINGS}`) }
  t.strictSame(environment, { EX10_ON_SHUTDOWN: 'keep', EX10_IDLE_TIMEOUT: '1800' })
  const without = valuesOf(unit, 'CapabilityBoundingSet')[0]!.slice(1).split(' ').map(name => name.toLowerCase().replace('cap_', '-'))
  const rights = { prefix: ['setpriv', '--no-new-privs', '--bounding-set', without.join(',')] }

  const first = await serve(t, { ...lightDisplay(), ...environment }, rights)
  t.match(readFileSync(`/proc/${first.child.pid}/status`, 'utf8'), /NoNewPrivs:\t1/)
  const answer = execFileSync('sh', ['-c', commands[2]!.replace('http://127.0.0.1:3001', first.url)], { encoding: 'utf8' })
  t.strictSame(JSON.parse(answer), { ready: true }, 'the README\'s last command says that it is ready')
  const { id } = await createSession(first)
  t.teardown(() => endSession(first, id).catch(() => {})) // a failed test must not keep it
  const expiresAt = (await read(first, '/sessions/:id', { id })).expiresAt
  t.ok(expiresAt, 'its settings are in force')
  t.equal(await first.stop(), 0, 'as systemctl stop and restart end it')
  first.env.EX10_ON_SHUTDOWN = 'end'
  const second = await next(t, first, rights)
  t.match(await listSessions(second), [{ id, state: 'ready' }])
  await assertEndsClean(t, second)
})

t.test('the README\'s commands install the service and enable it, as far as a machine without systemd goes', async t => {
  const [install = '', enable = ''] = commands
  // in a mount namespace with an /etc of its own: nothing is written to this machine's
  const etc = 'mount -t tmpfs tmpfs /mnt; mkdir /mnt/upper /mnt/work; mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /etc'
  const { code, stdout, stderr } = run('unshare', '--mount', 'sh', '-ec', `${etc}; ${install}; ${enable} || echo started by hand; cat /etc/systemd/system/multi-user.target.wants/ex10.service`)
  t.match({ code, stderr }, { code: 0, stderr: /Created symlink \/etc\/systemd\/system\/multi-user\.target\.wants\/ex10\.service/ }, stdout)
  t.match(stdout, /Wrote \/etc\/systemd\/system\/ex10\.service\n[^]*Next: systemctl enable --now ex10\n/)
  t.ok(stdout.endsWith(service('--dry-run').stdout), 'the unit of the install is the enabled one')
  t.match(stdout, /started by hand/, 'systemd does not run here')
})
