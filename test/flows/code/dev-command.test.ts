import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import t from 'tap'
import { ask } from '#support/servers/client.ts'
import { assertEndsClean, listSessions, next, serve } from '#support/servers/creation.ts'
import { Desk } from '#support/code/dev-command.ts'
import { openDevTools } from '#support/display/devtools.ts'
import { freePort } from '#support/servers/free-port.ts'
import { as, keysCommand } from '#support/access/keys.ts'
import { endSession, eventually, pushCode, type CreatedSession } from '#support/servers/server.ts'

const MANIFEST = JSON.stringify({
  manifest_version: 3,
  name: 'Mine',
  version: '1.0',
  background: { service_worker: 'background.js' },
  content_scripts: [{ matches: ['http://*/*'], js: ['content/content.js'] }]
})
const mark = (text: string) => `document.documentElement.dataset.mine = ${JSON.stringify(text)}\n`
const PICTURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0xff, 0xfe, 0x80])

t.test('ex10 dev makes a session of a folder, and brings each change to it as it is saved', async top => {
  const t = top
  let server = await serve(t, { EX10_AUTH: 'keys', EX10_ON_SHUTDOWN: 'keep', EX10_PORT: String(await freePort()) })
  const key = await keysCommand(server, 'create', '--user', 'anna', '--scopes', 'create,view,push')
  const operator = await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin')
  const desk = new Desk(t)
  const anna = () => as(server, key)
  desk.write({
    'manifest.json': MANIFEST,
    'background.js': '\n',
    'content/content.js': mark('first'),
    'picture.png': PICTURE,
    '.gitignore': 'secret.txt\n',
    'secret.txt': 'not for the session',
    'node_modules/library/index.js': '',
    '.git/HEAD': ''
  })

  await t.test('without a key, a server or an extension it says so in one line, and ends', async t => {
    const fails = async (words: string[], env: Record<string, string>, wanted: RegExp) => {
      const command = desk.run(t, words, env)
      t.equal(await command.code(), 1)
      t.match(command.lines.filter(line => !/ making a session of /.test(line)), [wanted])
      t.equal(command.lines.filter(line => wanted.test(line)).length, 1)
    }
    await fails(['dev', 'my-extension'], { EX10_SERVER: server.url }, /^ex10: the server requires an API key: set EX10_KEY/)
    await fails(['dev', 'my-extension'], { EX10_SERVER: server.url, EX10_KEY: `${key.slice(0, -1)}!` }, /^ex10: The key or token is unknown, expired or revoked/)
    await fails(['dev', 'my-extension', '--server', `http://127.0.0.1:${await freePort()}`], {}, /^ex10: no server answers at http.*ECONNREFUSED/)
    await fails(['dev', 'bin'], {}, /^ex10: bin has neither a manifest\.json nor a package\.json/)
    await fails(['dev', 'my-extension', '--key', key], {}, /^ex10: a key does not belong into the command line/)
    t.strictSame(await listSessions(anna()), [], 'nothing was made')
  })

  desk.keepKey(key)
  const command = desk.run(t, ['dev', 'my-extension', '--server', server.url])
  const [, url = ''] = await command.prints(/ the session is ready: (\S+)$/)
  const session: CreatedSession = { id: url.split('/').at(-2)!, url, lines: [] }
  const files = async () => {
    const { body } = await ask(anna(), `/sessions/${session.id}/files`)
    return (body.files as { path: string }[]).map(({ path }) => path).sort()
  }
  const picture = async () => Buffer.from(await (await fetch(`${server.url}/sessions/${session.id}/files/picture.png`, { headers: anna().headers! })).arrayBuffer())
  const tab = await (await openDevTools(t, server, session)).firstTab()
  await tab.visit('http://page.test/', '<!doctype html><title>A page</title>')
  const mine = () => tab.evaluate('document.documentElement.dataset.mine')
  const shows = (text: string) => eventually(`${text} in the open tab`, async () => await mine() === text)

  await t.test('the first load is the folder\'s own, without what .gitignore and everybody leave out; its display is opened', async t => {
    await shows('first')
    t.strictSame(await files(), ['.gitignore', 'background.js', 'content/content.js', 'manifest.json', 'picture.png'])
    t.strictSame(await picture(), PICTURE)
    t.equal((await listSessions(anna()))[0]?.version, 0, 'nothing had to be pushed for it')
    t.equal(await desk.opened(), url)
  })

  await t.test('what is saved is seen in the open tab, also when an editor saves it by way of another file', async t => {
    desk.write({ 'content/content.js': mark('second') })
    await shows('second')
    await command.prints(/ content\/content\.js: reloaded in \d+ ms$/)
    desk.write({ 'content/.content.js.tmp': mark('third') })
    renameSync(desk.path('content/.content.js.tmp'), desk.path('content/content.js'))
    await shows('third')
  })

  await t.test('a new file, a moved folder and a deletion are what the session has', async t => {
    desk.write({ 'lib/deep/a.js': '', 'lib/b.js': '', 'gone.js': '' })
    await eventually('the new files', async () => (await files()).includes('lib/deep/a.js'))
    renameSync(desk.path('lib'), desk.path('library'))
    rmSync(desk.path('gone.js'))
    await eventually('the moved folder', async () => (await files()).join() === '.gitignore,background.js,content/content.js,library/b.js,library/deep/a.js,manifest.json,picture.png')
    desk.write({ '.gitignore': 'secret.txt\nlibrary/\n' })
    await eventually('what is ignored now is gone', async () => (await files()).join() === '.gitignore,background.js,content/content.js,manifest.json,picture.png')
  })

  await t.test('what is wrong is printed with its file and line, and that it is healed', async t => {
    const before = command.lines.length
    desk.write({ 'background.js': '\n\nthrow new Error("no good")\n' })
    await command.prints(/^ +error background\.js:3(:\d+)? Uncaught Error: no good$/, before)
    desk.write({ 'background.js': '\n' })
    await command.prints(/ all is well again$/, before)
  })

  await t.test('a file that cannot be pushed is one line, and the others are', async t => {
    const before = command.lines.length
    symlinkSync('/etc/passwd', desk.path('passwd'))
    desk.write({ 'closed.js': '' })
    chmodSync(desk.path('closed.js'), 0)
    desk.write({ 'content/content.js': mark('fourth') })
    await shows('fourth')
    await command.prints(/ closed\.js is not pushed: it cannot be read: EACCES$/, before)
    await command.prints(/ passwd is not pushed: it is a link that leads out of the folder$/, before)
    for (const name of ['passwd', 'closed.js']) rmSync(desk.path(name))
  })

  await t.test('while the server is away it waits, and then brings what was saved meanwhile, and whatever else is not as in the folder', async t => {
    const before = command.lines.length
    await pushCode(anna(), { sessionId: session.id, files: [{ filePath: 'picture.png', content: 'of somebody else' }] })
    await server.stop()
    await command.prints(/ the server is away: .*; waiting for it$/, before)
    desk.write({ 'content/content.js': mark('fifth') })
    mkdirSync(desk.path('new'))
    desk.write({ 'new/new.js': '' })
    server = await next(top, server)
    await command.prints(/ the server is back$/, before)
    await shows('fifth')
    t.ok((await files()).includes('new/new.js'))
    await eventually('the picture', async () => PICTURE.equals(await picture()))
  })

  await t.test('Ctrl-C ends the session', async t => {
    command.child.kill('SIGINT')
    t.equal(await command.code(), 0)
    t.match(command.lines.at(-1), / the session is ended$/)
    t.strictSame(await listSessions(anna()), [])
  })
  await endSession(anna(), session.id) // if the command has not
  await assertEndsClean(t, as(server, operator))
})
