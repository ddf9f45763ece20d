import { chmodSync, copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import t, { type Test } from 'tap'
import { processesOf } from '#system/kernel/processes.ts'
import { read } from '#support/servers/client.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, pushCode, TEST_DATA } from '#support/servers/server.ts'
import { firstLine, inside, jsonOf, outcomeOf, pythonArgv, start, type Inside } from '#support/sandbox.ts'

const SECRET = 'open-sesame-5c1f'
const MEMORY_MIB = 1024
const PIDS = 450

/** All that a session's programs may have in their environment: from us, from Chromium's start script, and from the dev server to its helpers. */
const NAMES = /^(HOME|USER|LOGNAME|PATH|PWD|LANG|TMPDIR|DISPLAY|XAUTHORITY|PORT|XDG_RUNTIME_DIR|XPRA_\w+|CHROME_\w+|CHROMIUM_FLAGS|GOOGLE_\w+|DBUS_SESSION_BUS_ADDRESS|NODE_CHANNEL_\w+|MALLOC_ARENA_MAX|\w+_THREADS|UV_THREADPOOL_SIZE)$/

/** Every process in the sandbox, root's own too, as pids of the host. */
function processesIn ({ init }: Inside): string[] {
  const own = readlinkSync(`/proc/${init}/ns/pid`)
  return readdirSync('/proc').filter(pid => /^\d+$/.test(pid)).filter(pid => {
    try { return readlinkSync(`/proc/${pid}/ns/pid`) === own } catch { return false } // it ended
  })
}

const proc = (pid: string | number, file: string) => { try { return readFileSync(`/proc/${pid}/${file}`, 'utf8') } catch { return '' } } // likewise

t.test('a session can reach nothing of another session or of the server, and cannot take more than its share', { timeout: 280_000 }, async t => {
  const setuid = setuidFolder(t)
  const server = await serve(t, { EX10_SESSION_MEMORY: String(MEMORY_MIB), EX10_SESSION_PIDS: String(PIDS), EX10_SESSION_PATH: setuid, DATABASE_PASSWORD: SECRET, NODE_AUTH_TOKEN: SECRET })
  const sessions = [await createSession(server), await createSession(server)]
  const [a, b] = [await inside(t, server, sessions[0]!), await inside(t, server, sessions[1]!)]
  for (const { id } of sessions) await pushCode(server, { sessionId: id, filePath: 'content-script.js', content: '// pushed' }) // starts the file writer
  const python = (fixture: string, ...args: unknown[]) => jsonOf(start(t, pythonArgv(fixture, ...args)))

  await t.test('another session\'s files are out of reach, wherever it puts them', async t => {
    const places = [b.facts.account.home, '/tmp', '/var/tmp', '/dev/shm', `/run/user/${b.facts.account.uid}`].map(folder => `${folder}/secret`)
    t.match(await b.run(['sh', '-ec', 'for place; do echo mine >"$place"; done', '-', ...places]), { code: 0, stderr: '' }, 'it writes into its home, temporary folders and shared memory')
    for (const place of places) {
      t.match(await b.run(['cat', place]), { code: 0, stdout: 'mine\n' }, `control: it can read its own ${place}`)
      t.match(await a.run(['cat', place]), { code: 1, stdout: '', stderr: /No such file/ }, 'another one finds nothing there')
    }
    t.ok(existsSync(`/proc/${b.init}/root${places[0]}`), 'control: root sees it there')
    t.match(await a.run(['ls', '-A', `${server.dataDir}/homes`]), { code: 2 }, 'the homes cannot be listed')
    const shared = await b.run(['python3', '-c', 'import ctypes; print(ctypes.CDLL(None).shmget(4711, 4096, 0o1666))'])
    t.match(shared, { code: 0, stdout: /^\d+/ }, 'control: it makes shared memory that everybody may use')
    t.match(await a.run(['python3', '-c', 'import ctypes; print(ctypes.CDLL(None).shmget(4711, 4096, 0o666))']), { stdout: '-1\n' }, 'another one has none of that key')
  })

  await t.test('the server\'s own files are out of reach', async t => {
    for (const path of [`${server.dataDir}/registry.db`, `${b.dir}/init`, `${a.dir}/init`, `${b.dir}/services/xpra/argv`, '/run/ex10/instances.db', '/etc/shadow']) {
      t.ok(existsSync(path), `control: ${path.replace(server.dataDir, '')} is there`)
      t.match(await a.run(['sh', '-c', 'cat "$0" >/dev/null', path]), { code: 1, stderr: /Permission denied|No such file/ }, 'and cannot be read')
    }
    t.match((await a.run(['ls', '-A', '/run'])).stdout, /^ex10\nlock\n(mount\n)?user\n$/, 'the machine\'s /run does not show')
  })

  await t.test('the id of another session, with which one could open its display, is nowhere to be read', async t => {
    const look = [[b.facts.id.slice(0, 16), b.facts.id.slice(16)], ['/sys/fs/cgroup', server.dataDir, '/run', '/tmp']]
    t.not((await python('find-word.py', ...look)).length, 0, 'control: root finds it')
    t.not((await b.python('find-word.py', ...look)).length, 0, 'control: the session itself can know it')
    t.strictSame(await a.python('find-word.py', ...look), [], 'another one cannot')
  })

  await t.test('another session\'s display is out of reach, and none opens without its cookie', async t => {
    const authority = (session: Inside) => `${session.facts.account.home}/.Xauthority`
    const socket = '/tmp/.X11-unix/X10'
    const abstract = `@${socket}`
    const ofB = `/proc/${b.init}/root${socket}`
    t.equal(await a.python('x-client.py', socket, authority(a)), 'accepted', 'control: its own, with its cookie')
    t.match(await a.python('x-client.py', socket, null), /authori/i, 'its own, without')
    t.equal(await a.python('x-client.py', abstract, authority(a)), 'Connection refused', 'there is no abstract socket')
    const fromOutside = (session: Inside) => `/proc/${session.init}/root${authority(session)}`
    t.equal(await python('x-client.py', ofB, fromOutside(b)), 'accepted', 'control: root, with the other one\'s cookie')
    t.match(await python('x-client.py', ofB, null), /authori/i, 'not even root gets in without')
    t.match(await python('x-client.py', ofB, fromOutside(a)), /authori|invalid/i, 'nor with the cookie of another session')
    t.match(await a.run(['ls', '-A', '/tmp/.X11-unix']), { code: 0, stdout: 'X10\n' }, 'a session sees one display')
    t.match(await a.run(['ls', '-A', `/proc/${b.init}/root`]), { code: 2, stdout: '' }, 'and the host\'s number of a process leads nowhere')
  })

  await t.test('no process of a session listens where all sessions could connect: on an abstract socket', async t => {
    const abstract = () => {
      const listening = proc(a.init, 'net/unix').split('\n').map(line => line.trim().split(/\s+/)).filter(fields => fields[7]?.startsWith('@') && fields[5] === '01')
      const names = new Map(listening.map(fields => [`socket:[${fields[6]}]`, fields[7]]))
      return [...new Set([a, b].flatMap(processesIn).flatMap(pid => links(`/proc/${pid}/fd`).flatMap(target => names.get(target) ?? [])))]
    }
    t.strictSame(abstract(), [], 'none does')
    const child = a.start(['python3', '-c', 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind("\\0ex10-test-abstract"); s.listen(); print("up", flush=True); sys.stdin.read()'])
    await firstLine(child)
    t.strictSame(abstract(), ['@ex10-test-abstract'], 'control: one that does is seen')
    child.stdin.end()
  })

  await t.test('a session sees its own processes and the ones that keep it, and no other', async t => {
    const seen = (await a.run(['sh', '-c', 'cat /proc/[0-9]*/status'])).stdout
    const uids = new Set([...seen.matchAll(/^Uid:\t(\d+)/gm)].map(match => Number(match[1])))
    t.strictSame(uids, new Set([0, a.facts.account.uid]), 'root\'s and its own')
    const roots = new Set([...seen.matchAll(/^Name:\t(.*)$[^]*?^Uid:\t(\d+)/gm)].filter(match => match[2] === '0').map(match => match[1]))
    t.ok([...roots].every(name => name?.startsWith('s6-')), `of root's, its supervisors only: ${[...roots].join()}`)
    t.ok((await processesOf(b.facts.account.uid)).length > 5, 'control: the other session has processes')
  })

  await t.test('walking up from the folder of any process reaches nothing that an absolute path does not', async t => {
    const { walked, wrong } = await jsonOf(a.startSoft(pythonArgv('walk-up.py'))) as { walked: [string, string, string[]][], wrong: unknown[] }
    t.strictSame(wrong, [], 'from none of them')
    for (const kind of [/^itself$/, /^Xvfb /, /xpra start/, /chromium.*--remote-debugging-port/, /watch\.py/, /Paths below a session's home/]) {
      t.ok(walked.some(([name, from, way]) => kind.test(name) && ['cwd', '.'].includes(from) && way.at(-1) === '/'), `control: walked from ${kind}`)
    }
    t.match(await a.run(['ls', '-A', '/proc/1/cwd/']), { code: 2, stdout: '', stderr: /Permission denied/ }, 'root\'s own processes in the sandbox do not show theirs')
  })

  await t.test('programs that change the user give nothing, and nothing of the kind can be brought in', async t => {
    const user = start(t, ['setpriv', '--reuid=64123', '--regid=64123', '--clear-groups', '--', `${setuid}/whoami-root`, '-u'])
    t.equal((await outcomeOf(user)).stdout, '0\n', 'control: outside, it runs as root')
    t.equal((await a.run([`${setuid}/whoami-root`, '-u'])).stdout, `${a.facts.account.uid}\n`, 'inside, as the session')
    t.match(await a.run(['su', '-s', '/bin/sh', '-c', 'id -u']), { code: 1, stdout: '' }, 'su')
    const mounted = await a.run(['mount', '-t', 'tmpfs', 'tmpfs', '/tmp'])
    t.ok(mounted.code !== 0, `mount: ${mounted.stderr.trim()}`)
    const mounts = (await a.run(['cat', '/proc/self/mountinfo'])).stdout.split('\n').map(line => line.split(' '))
    for (const path of ['/', '/usr', setuid, '/tmp', '/var/tmp', '/dev/shm', '/run', '/run/ex10/node', '/run/ex10/template', '/run/ex10/npm-cache', '/proc']) {
      const options = mounts.findLast(fields => fields[4] === path)?.[5]?.split(',') ?? []
      t.ok(options.includes('nosuid') && options.includes('nodev'), `${path} takes neither setuid programs nor devices: ${options}`)
    }
  })

  await t.test('no secret of the server is in the environment or the arguments of any process of a session', async t => {
    t.match(proc(server.child.pid!, 'environ'), SECRET, 'control: the server has it')
    const pids = [a, b].flatMap(processesIn)
    t.ok(pids.length > 20, 'control: the processes were found')
    for (const pid of pids) {
      if (proc(pid, 'environ').includes(SECRET) || proc(pid, 'cmdline').includes(SECRET)) t.fail(`${proc(pid, 'comm')} has it`)
    }
    const own = (await Promise.all([a, b].map(({ facts }) => processesOf(facts.account.uid)))).flat()
    const names = new Set(own.flatMap(pid => proc(pid, 'environ').split('\0')).map(pair => pair.split('=')[0] ?? '').filter(name => name && /^\w+$/.test(name)))
    t.ok(names.has('XDG_RUNTIME_DIR'), 'control: environments were read')
    t.strictSame([...names].filter(name => !NAMES.test(name)), [], 'and no name that nobody meant to be there')
  })

  await t.test('names can be resolved, open files are limited, and no memory is dumped', async t => {
    t.equal((await a.run(['cat', '/etc/resolv.conf'])).stdout, readFileSync('/etc/resolv.conf', 'utf8'), 'the machine\'s resolv.conf is readable')
    const limited = (await processesOf(a.facts.account.uid)).map(pid => [pid, proc(pid, 'limits')] as const).filter(([, limits]) => limits) // others have ended
    t.ok(limited.length >= 4, 'control: its services are there')
    for (const [pid, limits] of limited) {
      t.match(limits, /^Max core file size +0 +0 /m, `${proc(pid, 'comm').trim()} dumps no core`)
      t.ok(Number(/^Max open files +\d+ +(\d+)/m.exec(limits)?.[1]) <= 8192, 'and has its limit of files')
    }
  })

  await t.test('a session that forks or fills memory without end is stopped, and its neighbour lives', async t => {
    const services = (await processesOf(b.facts.account.uid)).filter(pid => /^(Xvfb|xpra|chromium|node|MainThread)/.test(proc(pid, 'comm')))
    t.ok(services.length >= 4, 'control: its services are there')
    const forks = a.start(pythonArgv('fork-until-refused.py'))
    const [error, count] = (await firstLine(forks)).split(' ')
    t.strictSame([error, Number(count) > 0 && Number(count) < PIDS], ['EAGAIN', true], `refused after ${count} forks`)
    t.match(await b.run(['sh', '-c', 'echo alive; true']), { code: 0, stdout: 'alive\n' }, 'meanwhile the other session starts what it wants')
    await outcomeOf(forks)

    const eaten = await outcomeOf(a.start(['/usr/bin/python3', '-I', '-S', '-c', readFileSync('test/fixtures/eat-memory.py', 'utf8'), String(MEMORY_MIB)]))
    t.ok(eaten.code === 137 || eaten.signal === 'SIGKILL', `killed: ${JSON.stringify(eaten)}`)
    const half = await outcomeOf(b.start(['/usr/bin/python3', '-I', '-S', '-c', readFileSync('test/fixtures/eat-memory.py', 'utf8'), String(MEMORY_MIB / 8)]))
    t.equal(half.stdout, 'all taken\n', 'control: what is within the limit can be had')
    const after = await processesOf(b.facts.account.uid)
    t.strictSame(services.filter(pid => !after.includes(pid)), [], 'the neighbour\'s services are the same processes')
    for (const { id } of sessions) t.equal((await read(server, '/sessions/:id', { id })).state, 'ready', 'and both sessions are there')
  })
})

/** A folder that sessions see, with a program that runs as root for each user who can make it do so. */
function setuidFolder (t: Test): string {
  const folder = mkdtempSync(`${TEST_DATA}/setuid-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  chmodSync(folder, 0o711)
  copyFileSync('/usr/bin/id', `${folder}/whoami-root`)
  chmodSync(`${folder}/whoami-root`, 0o4755)
  return folder
}

function links (folder: string): string[] {
  try {
    return readdirSync(folder).flatMap(name => { try { return [readlinkSync(`${folder}/${name}`)] } catch { return [] } })
  } catch {
    return [] // it ended
  }
}
