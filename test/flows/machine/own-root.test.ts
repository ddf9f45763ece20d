import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { lightDisplay } from '#support/display/light-display.ts'
import { inside, jsonOf, outcomeOf, pythonArgv } from '#support/sandbox.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession } from '#support/servers/server.ts'

const WORD = 'ex10-marker-3f9d'

/** The whole of a session's root, but for the folders that are the session's own or wholly shown: patterns of paths. */
const LIST = [
  /^\/$/, /^\/(bin|sbin|lib|lib32|lib64|libx32) -> \/usr\/\w+$/,
  /^\/dev$/, /^\/dev\/(null|zero|full|random|urandom|tty)$/, /^\/dev\/(fd -> \/proc\/self\/fd|std(in|out|err) -> fd\/\d|ptmx -> pts\/ptmx)$/, /^\/dev\/(pts|pts\/ptmx|shm)$/,
  /^\/etc$/, /^\/etc\/(passwd|group|nsswitch\.conf|hostname|machine-id|resolv\.conf|hosts|host\.conf|gai\.conf|services|protocols)$/,
  /^\/etc\/(ld\.so\.(cache|conf)|timezone|debian_version|locale\.alias|mime\.types)$/, /^\/etc\/(localtime|os-release) -> \/usr\/\S+$/,
  /^\/etc\/(ld\.so\.conf\.d|alternatives|fonts|chromium|chromium\.d)(\/|$)/, /^\/etc\/ssl$/, /^\/etc\/ssl\/openssl\.cnf$/, /^\/etc\/ssl\/certs(\/|$)/,
  /^\/run$/, /^\/run\/(lock|user|user\/\d+|user\/\d+\/.*|ex10|ex10\/node|ex10\/(template|npm-cache))$/,
  /^\/sys(\/fs(\/cgroup.*)?)?$/,
  /^\/tmp$/, /^\/tmp\/\.X11-unix$/,
  /^\/var$/, /^\/var\/(cache|lib|tmp)$/, /^\/var\/(run -> \/run|lock -> \/run\/lock)$/, /^\/var\/cache\/fontconfig(\/|$)/
]

t.test('A session\'s root holds what a session needs, and nothing else of the machine', async t => {
  const folder = lightDisplay().EX10_SESSION_PATH!
  const server = await serve(t, { EX10_SESSION_PATH: folder })
  const markers = ['/', '/opt', '/srv', '/home', '/etc', '/var', '/var/lib', '/root', server.dataDir, `${server.dataDir}/homes`, '/tmp', '/run', '/dev/shm', '/sys/fs/cgroup'].filter(existsSync).map(parent => `${parent}/${WORD}`.replace('//', '/'))
  const made = markers.filter(path => { try { writeFileSync(path, WORD, { mode: 0o644 }); return true } catch { return false } }) // /sys takes none
  t.teardown(() => { for (const path of made) rmSync(path) })
  const session = await createSession(server)
  const own = await inside(t, server, session)
  const { account } = own.facts
  const wholly = ['/usr', '/proc', account.home, '/run/ex10/template', '/run/ex10/npm-cache']
  const { readable, writable } = await own.python('list-readable.py', wholly) as { readable: string[], writable: string[] }
  const parents = [...parentsOf(account.home), ...parentsOf(folder)]

  await t.test('every path that it can read is on the list', async t => {
    const others = readable.filter(path => !parents.includes(path) && !path.startsWith(folder) && !LIST.some(pattern => pattern.test(path)))
    t.strictSame(others, [])
    t.ok(readable.length > 100, `control: ${readable.length} paths were read`)
    const missing = ['/etc/passwd', '/etc/hosts', '/dev/null', '/run/ex10/node', `${folder}/chromium`].filter(path => !readable.includes(path))
    t.strictSame(missing, [], 'control: these among them')
  })

  await t.test('it can write to its home, its temporary folders and harmless devices', async t => {
    t.strictSame(writable.filter(path => !path.startsWith(`/run/user/${account.uid}/`)).sort(), [
      '/dev/full', '/dev/null', '/dev/pts/ptmx', '/dev/random', '/dev/shm', '/dev/tty', '/dev/urandom', '/dev/zero', `/run/user/${account.uid}`, '/tmp', '/tmp/.X11-unix', '/var/tmp'
    ])
    t.match(await own.run(['sh', '-c', `touch /usr/${WORD} /etc/${WORD} /${WORD} ${folder}/${WORD}`]), { code: 1, stderr: /Read-only file system|Permission denied/ })
  })

  await t.test('of the machine\'s accounts it sees root, nobody and its own, and no member of a group', async t => {
    const names = (file: string) => own.run(['cut', '-d:', '-f1', file]).then(({ stdout }) => stdout.split('\n').filter(Boolean).sort())
    t.strictSame(await names('/etc/passwd'), [account.name, 'nobody', 'root'].sort())
    t.strictSame(await names('/etc/group'), ['ex10', 'nogroup', 'root', 'tty'])
    t.notMatch((await own.run(['cat', '/etc/group'])).stdout, /:\w+$/m)
    t.equal((await own.run(['getent', 'passwd', 'daemon'])).code, 2)
    t.match(await own.run(['id', '-un']), { stdout: `${account.name}\n` }, 'control: its own has its name')
    t.not((await own.run(['cat', '/etc/machine-id'])).stdout, existsSync('/etc/machine-id') && readFileSync('/etc/machine-id', 'utf8'), 'nor the machine\'s own id')
  })

  await t.test('a file of the machine is not there, wherever on the machine it is', async t => {
    t.ok(made.length >= 10, `control: made ${made.join(' ')}`)
    for (const path of made) t.match(await own.run(['cat', path]), { code: 1, stdout: '', stderr: /No such file/ }, path)
    t.equal((await own.run(['find', '/', '-xdev', '-name', WORD])).stdout, '')
    t.equal((await own.run(['grep', '-c', WORD, '/proc/self/mountinfo'])).stdout, '0\n')
  })

  await t.test('there is no way back: not even the root of a user namespace of its own finds another root', async t => {
    const takeApart = 'for mount in $(cut -d" " -f5 /proc/self/mountinfo | tac); do umount -l "$mount" && echo "removed $mount"; done 2>/dev/null; mount -o remount,rw,bind / 2>/dev/null && echo remounted; mount -o remount,rw,bind /usr 2>/dev/null && echo remounted; ls -A / /usr | head -200'
    const { stdout, code } = await outcomeOf(own.startSoft(['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', takeApart]))
    t.equal(code, 0, 'control: without the filter of system calls it has the namespace')
    t.notMatch(stdout, /removed|remounted/, 'it can neither remove nor change what is mounted')
    t.notMatch(stdout, WORD)
    t.equal(statSync(`/proc/${own.init}/root/`).dev, statSync(`/proc/${own.init}/root/etc`).dev, 'control: root sees the session\'s root')
    const { walked, wrong } = await jsonOf(own.startSoft(pythonArgv('walk-up.py'))) as { walked: unknown[], wrong: unknown[] }
    t.ok(walked.length > 0)
    t.strictSame(wrong, [], 'no folder of a process leads out')
  })

  await t.test('programs run there: those of the machine, and those of a folder that the operator names', async t => {
    for (const argv of [['bash', '-c', 'echo $((1 + 1))'], ['python3', '-c', 'import ssl, pwd; print(1 + 1)'], ['/run/ex10/node', '-p', '1 + 1'], ['awk', 'BEGIN { print 1 + 1 }']]) {
      t.match(await own.run(argv), { code: 0, stdout: '2\n' }, String(argv[0]))
    }
    t.match(await own.run(['/run/ex10/node', '-p', 'process.constrainedMemory() <= 2 ** 31']), { stdout: 'true\n' }, 'and know the session\'s memory limit')
  })
})

function parentsOf (path: string): string[] {
  return path.split('/').map((_, index, names) => names.slice(0, index).join('/')).filter(Boolean)
}
