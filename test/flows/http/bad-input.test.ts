import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import t, { type Test } from 'tap'
import { assertEndsClean, listSessions, serve } from '#support/servers/creation.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { GOOD_PATHS, HOSTILE_PATHS } from '#support/inputs/hostile-paths.ts'
import { inside, type Inside } from '#support/sandbox.ts'
import { createSession, endSession, pushCode } from '#support/servers/server.ts'
import { tally } from '#support/servers/tally.ts'

const MIB = 1024 * 1024

t.test('what is pushed lands in the extension, whole, or nowhere', async t => {
  const server = await serve(t, lightDisplay())
  const session = await createSession(server)
  const sessionId = session.id
  const within = await inside(t, server, session)
  const { home } = within.facts.account
  let version = 0

  const push = async (body: object) => {
    const answer = await pushCode(server, { sessionId, ...body })
    return { status: answer.status, body: await answer.json() as Record<string, any> }
  }
  async function assertPushed (t: Test, body: object, what: string) {
    const answer = await push(body)
    t.equal(answer.status, 200, what)
    t.match(answer.body, { success: true, message: String, version: ++version }, `${what}: pushes are counted`)
    return answer.body
  }
  async function assertRefused (t: Test, body: object, status: number, code: string, what: string) {
    const answer = await push(body)
    t.equal(answer.status, status, what)
    t.match(answer.body, { success: false, code, message: String, statusCode: status }, what)
    t.notMatch(JSON.stringify(answer.body.message), home, `${what}: the answer tells nothing of the machine`)
    return answer.body
  }
  const read = async (path: string) => (await within.run(['cat', '--', `${home}/extension/${path}`])).stdout

  await t.test('the three forms of a push all write', async t => {
    await assertPushed(t, { filePath: 'one.js', content: 'one' }, 'one file')
    t.equal(await read('one.js'), 'one')
    for (const finished of [true, false]) {
      const body = await assertPushed(t, { code: { file_path: 'lib/two.js', file_content: `two ${finished}`, file_finished: finished } }, 'an editor\'s form')
      t.equal(body.file_finished, finished, 'file_finished comes back')
      t.equal(await read('lib/two.js'), `two ${finished}`)
    }
    t.notOk('file_finished' in await assertPushed(t, { code: { file_path: 'lib/two.js', file_content: 'two' } }, 'an editor\'s form without it'))
    await assertPushed(t, { files: [{ filePath: 'a/b/c/three.js', content: 'ünï \u{1f600}' }, { filePath: 'four.js', content: '' }, { filePath: 'one.js', delete: true }] }, 'several files')
    t.equal(await read('a/b/c/three.js'), 'ünï \u{1f600}', 'folders are made')
    t.match(await within.run(['stat', '-c', '%s %U', `${home}/extension/four.js`]), { stdout: `0 ${within.facts.account.name}\n` })
    t.match(await within.run(['cat', `${home}/extension/one.js`]), { code: 1, stderr: /No such file/ }, 'and deleted')
    const bytes = Buffer.from([0, 255, 137, 80, 10, 13])
    await assertPushed(t, { files: [{ filePath: 'icon.png', content: bytes.toString('base64'), encoding: 'base64' }] }, 'bytes as base64')
    t.equal((await within.run(['base64', `${home}/extension/icon.png`])).stdout.trim(), bytes.toString('base64'))
    t.match((await listSessions(server))[0], { version }, 'the session shows how many pushes it has taken')
  })

  const before = await listHome(within)
  t.ok(before.includes('extension/four.js'), 'the listing shows what is there')

  await t.test('a path that could lead out, or names no file, is refused with a code that says why', async t => {
    const everywhere = await ownFiles(within)
    t.ok(everywhere.includes(`${home}/extension/four.js`), 'the listing of all that the account has anywhere shows what is there')
    for (const [path, name] of HOSTILE_PATHS) await assertRefused(t, { filePath: path, content: 'x' }, 400, `EX10_${name}`, JSON.stringify(path.slice(0, 60)))
    for (const body of [{ code: { file_path: '../x.js', file_content: 'x' } }, { files: [{ filePath: 'fine.js', content: 'x' }, { filePath: '../x.js', content: 'x' }] }, { files: [{ filePath: '../one.js', delete: true }] }]) {
      await assertRefused(t, body, 400, 'EX10_PATH_TRAVERSAL', 'the same in every form')
    }
    t.strictSame(await listHome(within), before, 'and nothing was written')
    t.strictSame(await ownFiles(within), everywhere, 'anywhere that the session can see')
    t.ok(new Set(HOSTILE_PATHS.map(([path]) => path)).size >= 300)
    tally(t, 'hostile file paths', new Set(HOSTILE_PATHS.map(([path]) => path)).size)
    t.notOk(existsSync('/x.js') || existsSync(`${server.dataDir}/x.js`) || existsSync(`${server.dataDir}/homes/x.js`))
  })

  await t.test('wrong types are refused, and the answer names the field', async t => {
    const table: [object, string][] = [
      [{ filePath: 5, content: 'x' }, 'filePath'], [{ filePath: 'x.js', content: 5 }, 'content'], [{ filePath: 'x.js', content: null }, 'content'],
      [{ filePath: ['x.js'], content: 'x' }, 'filePath'], [{ filePath: 'x.js' }, 'content'], [{ filePath: 'x.js', content: 'x', mode: 1 }, 'mode'],
      [{ code: { file_path: 5, file_content: 'x' } }, 'code.file_path'], [{ code: { file_path: 'x.js' } }, 'code.file_content'], [{ code: 'x' }, 'code'],
      [{ code: { file_path: 'x.js', file_content: 'x', file_finished: 'yes' } }, 'code.file_finished'],
      [{ files: 'x' }, 'files'], [{ files: [] }, 'files'], [{ files: [{ filePath: {}, content: 'x' }] }, 'files.0.filePath'],
      [{ files: [{ filePath: 'x.js', content: 'x', encoding: 'latin1' }] }, 'files.0.encoding'], [{ files: [{ filePath: 'x.js', delete: 'true' }] }, 'files.0.delete'],
      [{ sessionId: 5, filePath: 'x.js', content: 'x' }, 'sessionId'], [{ sessionId: null, filePath: 'x.js', content: 'x' }, 'sessionId']
    ]
    for (const [body, field] of table) {
      const refusal = await assertRefused(t, body, 400, 'EX10_BAD_REQUEST', JSON.stringify(body))
      t.equal(refusal.details?.field, field, `${JSON.stringify(body)} names ${field}`)
    }
    for (const body of ['', '{', 'null', '[]', '"x"', '{"sessionId":']) {
      const answer = await fetch(`${server.url}/updateCode`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      t.match({ status: answer.status, body: await answer.json() }, { status: 400, body: { success: false, code: 'EX10_BAD_REQUEST' } }, `a body of ${body || 'nothing'}`)
    }
    t.strictSame(await listHome(within), before, 'nothing was written')
  })

  await t.test('what only the session itself knows to be no plain file is refused by its own writer', async t => {
    const made = await within.run(['python3', '-c', SPECIAL_FILES, `${home}/extension`])
    t.equal(made.code, 0, made.stderr)
    const withSpecial = await listHome(within)
    const table: [string, string][] = [
      ['folder', 'PATH_IS_DIRECTORY'], ['four.js/x.js', 'PATH_NOT_DIRECTORY'], ['out/x.js', 'PATH_SYMLINK'], ['up/x.js', 'PATH_SYMLINK'], ['etc/x.js', 'PATH_SYMLINK'],
      ['inner/x.js', 'PATH_SYMLINK'], ['link.js', 'PATH_SYMLINK'], ['dangling.js', 'PATH_SYMLINK'], ['loop/x.js', 'PATH_SYMLINK'], ['fifo', 'PATH_NOT_REGULAR'],
      ['socket', 'PATH_NOT_REGULAR'], ['fifo/x.js', 'PATH_NOT_DIRECTORY']
    ]
    for (const [filePath, name] of table) {
      await assertRefused(t, { filePath, content: 'x' }, 400, `EX10_${name}`, `writing ${filePath}`)
      await assertRefused(t, { files: [{ filePath, delete: true }] }, 400, `EX10_${name}`, `deleting ${filePath}`)
    }
    t.match(await within.run(['mknod', `${home}/extension/device`, 'c', '1', '3']), { code: 1, stderr: /Operation not permitted/ }, 'a device it cannot even make')
    execFileSync('nsenter', ['-t', String(within.init), '--mount', '--', 'mknod', `${home}/extension/device`, 'c', '1', '3']) // as root may, where the home is
    await assertRefused(t, { filePath: 'device', content: 'x' }, 400, 'EX10_PATH_NOT_REGULAR', 'writing to one that root made')
    execFileSync('nsenter', ['-t', String(within.init), '--mount', '--', 'rm', `${home}/extension/device`])
    t.strictSame(await listHome(within), withSpecial, 'and nothing was written')
    await within.run(['sh', '-c', 'cd "$1" && rm -rf folder out up etc inner link.js dangling.js loop fifo socket', 'sh', `${home}/extension`])
  })

  await t.test('one bad file among ten, and none of them is written', async t => {
    const bad: [object, number, string][] = [
      [{ filePath: '//etc/x', content: 'x' }, 400, 'EX10_PATH_ABSOLUTE'], [{ filePath: 'lib', content: 'x' }, 400, 'EX10_PATH_IS_DIRECTORY'],
      [{ filePath: 'four.js/x', content: 'x' }, 400, 'EX10_PATH_NOT_DIRECTORY'], [{ filePath: 'missing.js', delete: true }, 400, 'EX10_PATH_NOT_FOUND'],
      [{ filePath: 'x.png', content: '***', encoding: 'base64' }, 400, 'EX10_BAD_ENCODING'], [{ filePath: 'x.png', content: 'abc', encoding: 'base64' }, 400, 'EX10_BAD_ENCODING'],
      [{ filePath: 'x.js' }, 400, 'EX10_BAD_REQUEST'], [{ filePath: 'four.js', content: 'x', delete: true }, 400, 'EX10_BAD_REQUEST'],
      [{ filePath: 'new/3.js', content: 'again' }, 400, 'EX10_PATH_REPEATED'], [{ filePath: 'new//3.js', content: 'again' }, 400, 'EX10_PATH_REPEATED'],
      [{ filePath: 'new/3.js/deeper.js', content: 'x' }, 400, 'EX10_PATH_NOT_DIRECTORY'], [{ filePath: 'big.js', content: 'x'.repeat(5 * MIB + 1) }, 413, 'EX10_TOO_LARGE']
    ]
    const good = Array.from({ length: 8 }, (_, i) => ({ filePath: `new/${i}.js`, content: 'x' }))
    for (const [file, status, code] of bad) {
      const files = [{ filePath: 'lib/two.js', content: 'changed' }, ...good, file]
      await assertRefused(t, { files }, status, code, JSON.stringify(file).slice(0, 80))
    }
    t.equal(await read('lib/two.js'), 'two', 'the file that was there is as it was')
    t.strictSame(await listHome(within), before, 'no file was written, no folder made')
    await assertPushed(t, { files: [{ filePath: 'lib/two.js', content: 'changed' }, ...good] }, 'without the bad one, all of them are')
    t.equal(await read('lib/two.js') + await read('new/7.js'), 'changedx')
  })

  await t.test('a file of 5 MiB passes and one byte more does not, nor a request above 20 MiB', async t => {
    await assertPushed(t, { filePath: 'big.txt', content: 'x'.repeat(5 * MIB) }, '5 MiB')
    t.match(await within.run(['stat', '-c', '%s', `${home}/extension/big.txt`]), { stdout: `${5 * MIB}\n` })
    await assertRefused(t, { filePath: 'bigger.txt', content: 'x'.repeat(5 * MIB + 1) }, 413, 'EX10_TOO_LARGE', 'a byte more')
    await assertRefused(t, { filePath: 'bigger.txt', content: 'é'.repeat(2.5 * MIB) + 'x' }, 413, 'EX10_TOO_LARGE', 'counted in bytes')
    const files = (count: number) => Array.from({ length: count }, (_, i) => ({ filePath: `big-${i}.txt`, content: 'x'.repeat(4 * MIB) }))
    await assertPushed(t, { files: files(4) }, '16 MiB in one request')
    for (const count of [6, 7, 8, 9, 10]) await assertRefused(t, { files: files(count) }, 413, 'EX10_TOO_LARGE', `${4 * count} MiB in one request: the client reads why, also while it still writes`)
    await assertPushed(t, { files: files(4).map(({ filePath }) => ({ filePath, delete: true })) }, 'and all of it can be deleted')
  })

  await t.test('an odd name is a name', async t => {
    await assertPushed(t, { files: GOOD_PATHS.filter(([path, written]) => path === written && path.length < 100).map(([filePath]) => ({ filePath: `odd/${filePath}`, content: filePath })) }, 'all of them at once')
    for (const path of ['100%.js', 'ünï.js', 'a%20b.js', '..a/b.js', '-rf', 'a\nb.js']) t.equal(await read(`odd/${path}`), path)
    t.strictSame((await listHome(within)).filter(path => !path.startsWith('extension')), before.filter(path => !path.startsWith('extension')), 'and nothing was written beside the extension')
  })

  t.match(await (await fetch(`${server.url}/sessions/${sessionId}`)).json(), { state: 'ready', version }, 'refused pushes are not counted')
  t.equal((await endSession(server, sessionId)).status, 200)
  await assertEndsClean(t, server)
})

/** What a hostile session might put in the way of a push. */
const SPECIAL_FILES = `
import os, socket, sys
os.chdir(sys.argv[1])
os.mkdir('folder')
for name, target in [('out', '/tmp'), ('up', '..'), ('etc', '/etc'), ('inner', 'lib'), ('link.js', 'four.js'), ('dangling.js', 'nowhere'), ('loop', 'loop')]:
    os.symlink(target, name)
os.mkfifo('fifo')
socket.socket(socket.AF_UNIX).bind('socket')
`

/** All that the account owns in its own sandbox, but for what its programs write by themselves. */
async function ownFiles (within: Inside): Promise<string[]> {
  const { uid, home } = within.facts.account // between it and the root are folders that the account cannot list
  const { stdout } = await within.run(['find', '/', home, '(', '-path', '/proc', '-o', '-path', '/sys', '-o', '-path', '/usr', '-o', '-path', '/run/ex10/template', '-o', '-path', '/run/ex10/npm-cache', ')', '-prune', '-o', '-uid', String(uid), '-print0'])
  return stdout.split('\0').filter(path => path && !/^\/dev\/pts\/|\.ex10-push/.test(path)).sort()
}

/** Everything that a person could have written, anywhere in the home: paths only, without what the browser and the build keep for themselves. */
async function listHome (within: Inside): Promise<string[]> {
  const { stdout } = await within.run(['find', within.facts.account.home, '-printf', '%P\\0'])
  return stdout.split('\0').filter(path => path && !/^(profile|\.cache|\.config|\.local|\.pki|\.dbus|\.xpra|\.fakexinerama|\.ex10-)/.test(path)).sort()
}
