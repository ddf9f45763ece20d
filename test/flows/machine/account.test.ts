import { execFileSync } from 'node:child_process'
import { existsSync, globSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import t from 'tap'
import { ensureGroup, readAccounts } from '#system/accounts/accounts.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { inside } from '#support/sandbox.ts'
import { createSession, endSession, pushCode } from '#support/servers/server.ts'

const field = (status: string, name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]

/** /proc/PID/status of every process that has the uid as its real, effective, saved or file-system one. */
function statusesOf (uid: number): string[] {
  return readdirSync('/proc').filter(name => /^\d+$/.test(name)).flatMap(pid => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      return field(status, 'Uid')?.split('\t').map(Number).includes(uid) ? [status] : []
    } catch (error) {
      if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return [] // it ended meanwhile
      throw error
    }
  })
}

/** Whether the process runs in a user namespace that is not the machine's. */
function inOwnUserNamespace (status: string): boolean {
  try {
    return readlinkSync(`/proc/${field(status, 'Pid')}/ns/user`) !== readlinkSync('/proc/self/ns/user')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false // it ended meanwhile
    throw error
  }
}

t.test('a session has an account of its own that nobody can log in to, and its processes can gain nothing', async t => {
  const server = await serve(t)
  const session = await createSession(server)
  const { facts, init } = await inside(t, server, session)
  const { name, uid, home } = facts.account
  t.equal((await pushCode(server, { sessionId: session.id, filePath: 'x.js', content: '' })).status, 200, 'its file writer runs, too')

  await t.test('the account: a random name, a locked password, no shell, no group but ex10, no subordinate ids', async t => {
    t.match(name, /^ex10_user_[0-9a-f]{8}$/)
    const [, , passwdUid, gid, , passwdHome, shell] = execFileSync('getent', ['passwd', name], { encoding: 'utf8' }).trim().split(':')
    t.strictSame([Number(passwdUid), Number(gid), passwdHome, shell], [uid, await ensureGroup(), home, '/usr/sbin/nologin'])
    t.match(readFileSync('/etc/shadow', 'utf8').split('\n').find(line => line.startsWith(`${name}:`))?.split(':')[1], /^[!*]/, 'no password matches')
    t.match(execFileSync('passwd', ['--status', name], { encoding: 'utf8' }), `${name} L `, 'passwd says that it is locked')
    t.equal(execFileSync('id', ['-Gn', name], { encoding: 'utf8' }).trim(), 'ex10')
    t.notMatch(readFileSync('/etc/group', 'utf8'), name, 'no group has it as a member, nor its name')
    for (const file of ['subuid', 'subgid']) t.notMatch(readFileSync(`/etc/${file}`, 'utf8'), new RegExp(`^(${name}|${uid}):`, 'm'), file)
  })

  await t.test('the home is its own, and closed to everyone else', async t => {
    const { uid: owner, gid, mode } = lstatSync(`/proc/${init}/root${home}`)
    t.strictSame([owner, gid, mode & 0o7777], [uid, await ensureGroup(), 0o700])
    const list = (...words: string[]) => execFileSync('nsenter', ['-t', String(init), '--mount', '--', ...words, 'ls', '-A', home], { stdio: 'pipe', encoding: 'utf8' })
    t.match(list(), 'extension', 'control: root, who looks from outside, can list it')
    t.throws(() => list('setpriv', '--reuid=65534', '--clear-groups'), /Permission denied/, 'nobody cannot')
    t.throws(() => list('setpriv', '--reuid=65534', `--regid=${gid}`, '--clear-groups'), /Permission denied/, 'nor can its group')
    t.notOk(existsSync(home), 'outside of its sandbox it is nowhere mounted')
    const image = lstatSync(`${home}.img`)
    t.strictSame([image.uid, image.mode & 0o7777, image.size], [0, 0o600, 512 * 1024 * 1024], 'it is in an image of root\'s, of the size that was set')
  })

  await t.test('every process of the uid is without privileges and can gain none', async t => {
    const statuses = statusesOf(uid)
    const names = statuses.map(status => field(status, 'Name'))
    for (const program of ['Xvfb', 'xpra', 'chromium']) {
      const own = statuses.filter(status => field(status, 'Name') === program && !inOwnUserNamespace(status))
      t.ok(own.length > 0, `${program} is among them`)
    }
    t.ok(names.some(name => name?.startsWith('python3')), 'the file writer is among them')
    for (const status of statuses) {
      const seen = Object.fromEntries(['Uid', 'Groups', 'NoNewPrivs', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map(name => [name, field(status, name)?.trim()]))
      const none = '0000000000000000'
      const nothing = { CapInh: none, CapPrm: none, CapEff: none, CapBnd: none, CapAmb: none }
      // Chromium's own sandbox is a user namespace below the session's: what a process may do there counts there only
      const wanted = { ...seen, Uid: [uid, uid, uid, uid].join('\t'), Groups: '', NoNewPrivs: '1', ...(!inOwnUserNamespace(status) && nothing) }
      t.strictSame(seen, wanted, `${field(status, 'Name')}`)
    }
    const root = readFileSync('/proc/self/status', 'utf8')
    t.not(field(root, 'CapEff'), '0000000000000000', 'and these fields do tell: this test has privileges')
  })

  await t.test('after the end nothing of the account is left, and the next session has another uid and name', async t => {
    t.equal((await endSession(server, session.id)).status, 200)
    t.notOk((await readAccounts()).has(name))
    for (const file of ['passwd', 'shadow', 'group', 'gshadow', 'subuid', 'subgid']) t.notMatch(readFileSync(`/etc/${file}`, 'utf8'), name, file)
    t.strictSame(statusesOf(uid), [])
    t.strictSame(globSync(`${server.dataDir}/homes/*`), [])

    const second = await createSession(server)
    const { account } = (await inside(t, server, second)).facts
    t.ok(account.uid > uid, 'the uid is new')
    t.not(account.name, name)
    t.equal((await endSession(server, second.id)).status, 200)
  })
  await assertEndsClean(t, server)
})
