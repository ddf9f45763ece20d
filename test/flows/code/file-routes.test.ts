import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { crx, tgz, zip, type Entry } from '#support/code/archives.ts'
import { firstLine, inside, pythonArgv } from '#support/sandbox.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, eventually, pushCode, type Server } from '#support/servers/server.ts'

const MIB = 1024 * 1024
const hash = (content: string | Buffer) => createHash('sha256').update(content).digest('hex')
const MANIFEST = JSON.stringify({ manifest_version: 3, name: 'Files', version: '1.0' })

t.test('files go into a session and out of it', { timeout: 280_000 }, async t => {
  const server = await serve(t)
  const meddled = meddle(t, server) // takes its time, in a session of its own
  meddled.catch(() => {}) // it is awaited last
  const session = await createSession(server)
  const { run, facts } = await inside(t, server, session)
  const home = facts.account.home
  const base = `${server.url}/sessions/${session.id}`
  const at = (path: string) => `${base}/files/${path}`
  const ask = async (path: string, init?: RequestInit): Promise<[number, any, Headers]> => {
    const response = await fetch(base + path, init)
    return [response.status, await response.json(), response.headers]
  }
  const put = (path: string, content: string | Buffer, headers: Record<string, string> = {}) => ask(`/files/${path}`, { method: 'PUT', body: new Blob([content]), headers })
  const remove = (path: string, headers: Record<string, string> = {}) => ask(`/files/${path}`, { method: 'DELETE', headers })
  const importing = (archive: Buffer, query = '') => ask(`/import${query}`, { method: 'POST', body: new Blob([archive]) })
  const list = async () => (await ask('/files'))[1].files as { path: string, size: number, hash: string, modified: string }[]
  const paths = async () => (await list()).map(({ path }) => path).sort()
  /** What must be empty whenever no transfer goes on. */
  const left = async () => (await run(['sh', '-c', `cd ${home}; ls -A .ex10-transfer .ex10-push`])).stdout
  const noneLeft = (t: Test) => t.resolves(eventually('nothing is left', async () => await left() === '.ex10-push:\n\n.ex10-transfer:\n'))

  await t.test('the list has what a new session holds, with hashes that a client can compute', async t => {
    const files = await list()
    t.ok(files.some(({ path }) => path === 'manifest.json') && files.some(({ path }) => path === 'background.js'), 'the template\'s files')
    for (const { path, size, hash: told, modified } of files) {
      const content = readFileSync(`templates/vanilla/extension/${path}`)
      t.strictSame([size, told], [content.length, hash(content)], path)
      t.ok(Math.abs(Date.parse(modified) - Date.now()) < 600_000)
    }
  })

  await t.test('a file that is put is read back as it was, whatever it is called and holds, and no browser runs it', async t => {
    for (const [path, content] of Object.entries({ 'page.html': '<script>alert(1)</script>', 'lib/ü n/%41#?.js': 'x', 'empty.bin': '', 'binary.bin': randomBytes(300_000), [`${'long/'.repeat(200)}x.js`]: 'deep' })) {
      const url = path.split('/').map(encodeURIComponent).join('/')
      const [status, body, headers] = await put(url, content)
      const tag = `"${hash(content)}"`
      t.match([status, body, headers.get('etag')], [201, { success: true, size: Buffer.from(content).length, hash: hash(content), version: Number }, tag], path.slice(0, 30))
      t.equal((await put(url, content))[0], 200, 'the second time, it is not new')
      const response = await fetch(at(url))
      t.ok(Buffer.from(await response.arrayBuffer()).equals(Buffer.from(content)), 'the same bytes')
      const name = path.slice(path.lastIndexOf('/') + 1)
      t.match(Object.fromEntries(response.headers), {
        'content-type': 'application/octet-stream',
        'content-length': String(Buffer.from(content).length),
        etag: tag,
        'x-content-type-options': 'nosniff',
        'content-disposition': `attachment; filename="${name.replace(/[^\w. -]/g, '_')}"; filename*=UTF-8''${encodeURIComponent(name)}`,
        'content-security-policy': 'default-src \'none\'; sandbox',
        'cache-control': 'private, no-cache'
      })
      t.equal((await fetch(at(url), { headers: { 'if-none-match': tag } })).status, 304)
      const head = await fetch(at(url), { method: 'HEAD' })
      t.strictSame([head.status, head.headers.get('etag'), head.headers.get('content-length'), await head.text()], [200, tag, String(Buffer.from(content).length), ''])
      t.match(await remove(url), [200, { success: true }])
    }
    t.match(await put('popup.json', '{', { 'content-type': 'application/json' }), [201, { size: 1 }], 'what it says that it is does not matter')
    t.match([await remove('popup.json'), await remove('popup.json')], [[200], [404, { code: 'EX10_FILE_NOT_FOUND' }]])
    t.match(await remove('popup.json?ifExists=1'), [200], 'it is no error if it may be missing')
    t.match(await ask('/files/popup.json'), [404, { code: 'EX10_FILE_NOT_FOUND' }])
    t.notOk((await run(['sh', '-c', `cd ${home}/extension; find . -type d`])).stdout.includes('long'), 'folders that were emptied are gone')
    await noneLeft(t)
  })

  await t.test('a path means the same everywhere, and one that leads out is refused', async t => {
    t.match(await put('%2Fpopup.html', 'one'), [200, { hash: hash('one') }])
    t.equal((await pushCode(server, { sessionId: session.id, filePath: './popup.html', content: 'two' })).status, 200)
    t.equal((await pushCode(server, { sessionId: session.id, filePath: '/options.html', content: 'three' })).status, 200)
    t.strictSame(await Promise.all(['popup.html', 'options.html'].map(async path => (await fetch(at(path))).text())), ['two', 'three'])
    const codes = new Map([['%2F%2Fx', 'ABSOLUTE'], ['..%2Fx', 'TRAVERSAL'], ['a%2F..%2Fx', 'TRAVERSAL'], ['%252e%252e%2fx', 'TRAVERSAL'], ['a%5Cb', 'BACKSLASH'], ['C%3A%2Fx', 'ABSOLUTE'], ['a%00b', 'NUL'], ['a%2F', 'IS_DIRECTORY'], ['%20', 'EMPTY'], ['', 'EMPTY']])
    for (const [path, code] of codes) {
      for (const method of ['GET', 'PUT', 'DELETE']) t.match(await ask(`/files/${path}`, { method, ...(method === 'PUT' && { body: 'x' }) }), [400, { code: `EX10_PATH_${code}` }], `${method} ${path}`)
    }
    await run(['sh', '-c', `cd ${home}/extension; ln -s /etc link; ln -s /etc/passwd passwd; mkfifo fifo; mkdir folder; echo x >folder/x`])
    for (const [path, code] of Object.entries({ 'link/passwd': 'SYMLINK', passwd: 'SYMLINK', fifo: 'NOT_REGULAR', folder: 'IS_DIRECTORY', 'popup.html/x': 'NOT_DIRECTORY' })) {
      for (const method of ['GET', 'PUT', 'DELETE']) t.match(await ask(`/files/${path}`, { method, ...(method === 'PUT' && { body: 'x' }) }), [400, { code: `EX10_PATH_${code}` }], `${method} ${path}`)
    }
    t.notOk((await paths()).some(path => /^(?:link|passwd|fifo)/.test(path)), 'nor are they listed')
    for (const path of ['files', 'files/x', 'export']) t.equal((await fetch(`${server.url}/sessions/${'0'.repeat(32)}/${path}`)).status, 404)
    await run(['sh', '-c', `cd ${home}/extension; rm -r link passwd fifo folder`])
  })

  await t.test('of those who change a file at the same time, one wins, and the others hear that it is another one now', async t => {
    const [, { hash: first }] = await put('raced.js', 'first')
    const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => put('raced.js', `by ${index}`, { 'if-match': `"${first}"` })))
    t.strictSame(answers.map(([status, { code }]) => [status, code]).sort(), [[200, undefined], ...Array.from({ length: 7 }, () => [412, 'EX10_PRECONDITION_FAILED'])])
    const winner = answers.findIndex(([status]) => status === 200)
    t.equal(await (await fetch(at('raced.js'))).text(), `by ${winner}`)
    const made = await Promise.all(Array.from({ length: 4 }, (_, index) => put('made.js', `by ${index}`, { 'if-none-match': '*' })))
    t.strictSame(made.map(([status]) => status).sort(), [201, 412, 412, 412])
    t.match(await remove('made.js', { 'if-match': '"wrong"' }), [412, { code: 'EX10_PRECONDITION_FAILED' }])
    t.match(await remove('made.js', { 'if-match': '*' }), [200])
    t.match(await remove('made.js', { 'if-match': '*' }), [412])
    t.match(await put('made.js', 'x', { 'if-match': 'unquoted' }), [400, { code: 'EX10_BAD_REQUEST' }])
    await noneLeft(t)
  })

  await t.test('100 MiB go in and out, one byte more does not, and the server\'s memory does not notice', async t => {
    const memory = () => Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))?.[1]) / 1024
    const piece = randomBytes(MIB)
    const digest = createHash('sha256')
    for (let index = 0; index < 100; index++) digest.update(piece)
    const expected = digest.digest('hex')
    const pieces = (count: number) => Readable.from((function * () { for (let index = 0; index < count; index++) yield piece })(), { objectMode: false })
    const stream = (path: string, count: number) => ask(path, { method: 'PUT', body: Readable.toWeb(pieces(count)), duplex: 'half' } as RequestInit)
    const before = memory()
    const startedAt = performance.now()
    t.match(await stream('/files/large.bin', 100), [201, { size: 100 * MIB, hash: expected }])
    const between = performance.now()
    const received = createHash('sha256')
    for await (const chunk of (await fetch(at('large.bin'))).body!) received.update(chunk)
    t.equal(received.digest('hex'), expected)
    t.comment(`in: ${Math.round(between - startedAt)} ms, out: ${Math.round(performance.now() - between)} ms, at its peak the server took ${Math.round(memory() - before)} MiB more`)
    t.ok(memory() - before < 90, `${memory() - before} MiB more`)
    const slow = await fetch(at('large.bin'))
    await delay(300)
    t.ok(memory() - before < 90, 'nor for a client that does not read')
    await slow.body!.cancel()
    t.match(await stream('/files/larger.bin', 101), [413, { code: 'EX10_FILE_TOO_LARGE' }], 'more than it may be, not announced')
    const announced = await new Promise(resolve => {
      const asked = request(at('larger.bin'), { method: 'PUT', headers: { 'content-length': 100 * MIB + 1 } }, response => { resolve(response.statusCode); asked.destroy() })
      asked.flushHeaders()
    })
    t.equal(announced, 413, 'announced, it is refused before it is sent')
    t.match(await remove('large.bin'), [200])
    await noneLeft(t)
  })

  await t.test('whoever goes away half-way leaves nothing behind, and what was there stays', async t => {
    await put('kept.bin', 'kept')
    for (const path of ['files/kept.bin', 'import']) {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
      socket.write(`${path === 'import' ? 'POST' : 'PUT'} /sessions/${session.id}/${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${20 * MIB}\r\n\r\n`)
      socket.write(randomBytes(5 * MIB))
      await eventually('it has arrived', async () => /^[0-9a-f]{16}$/m.test(await left()))
      socket.destroy()
      await noneLeft(t)
    }
    const reading = await fetch(at('kept.bin'))
    await reading.body!.cancel()
    t.equal(await (await fetch(at('kept.bin'))).text(), 'kept')
  })

  await t.test('an archive of any kind takes the place of all files, or is put beside them', async t => {
    const entries: Entry[] = [{ name: 'wrapped/', type: '5', mode: 0o40755 }, { name: 'wrapped/manifest.json', content: MANIFEST }, { name: 'wrapped/js/a.js', content: '// a' }, { name: '__MACOSX/wrapped/._a', content: 'x' }]
    for (const [what, archive] of Object.entries({ zip: zip(entries), 'tar.gz': tgz(entries), crx: crx(zip(entries)) })) {
      await put('old.js', 'old')
      await put('.git/HEAD', 'ref')
      t.match(await importing(archive, '?wait=1'), [200, { success: true, loaded: true, problems: [], written: Number, deleted: Number }], what)
      t.strictSame(await paths(), ['js/a.js', 'manifest.json'], what)
      t.equal((await run(['cat', `${home}/extension/.git/HEAD`])).stdout, 'ref', 'what git keeps is not the person\'s files')
    }
    t.match(await importing(zip([{ name: 'js/b.js', content: '// b' }, { name: 'js/a.js', content: '// new' }]), '?merge=1'), [200, { written: 2, deleted: 0 }])
    t.strictSame(await paths(), ['js/a.js', 'js/b.js', 'manifest.json'])
    t.match(await importing(zip([{ name: 'js/a.js/b', content: 'x' }]), '?merge=1'), [400, { code: 'EX10_PATH_NOT_DIRECTORY' }])
    await noneLeft(t)
  })

  await t.test('an archive that is wrong in any way changes nothing', async t => {
    const before = await list()
    const good = { name: 'manifest.json', content: MANIFEST }
    for (const [archive, status, code] of [
      [zip([good, { name: '../x', content: 'x' }]), 400, 'PATH_TRAVERSAL'], [tgz([good, { name: '/x', content: 'x' }]), 400, 'PATH_ABSOLUTE'], [zip([good, { name: 'a\\b', content: 'x' }]), 400, 'PATH_BACKSLASH'],
      [zip([good, { name: 'x', content: '1' }, { name: 'x', content: '2' }]), 400, 'PATH_REPEATED'], [zip([good, { name: 'a b', content: '1' }, { name: 'a%20b', content: '2' }]), 400, 'PATH_REPEATED'], [tgz([good, { name: 'x', type: '2', linkTo: '/etc/passwd' }]), 400, 'ARCHIVE_LINK'],
      [zip([good, { name: 'x', content: Buffer.alloc(10 * MIB) }]), 413, 'ARCHIVE_TOO_LARGE'], [zip([good]).subarray(0, -4), 400, 'BAD_ARCHIVE'], [Buffer.from('hello'), 400, 'ARCHIVE_UNKNOWN'], [Buffer.alloc(0), 400, 'ARCHIVE_UNKNOWN'], [zip([]), 400, 'BAD_ARCHIVE'],
      [crx(zip([good]), { version: 2 }), 400, 'ARCHIVE_UNKNOWN'], [zip([good, { name: 'manifest.json/x', content: 'x' }]), 400, 'PATH_NOT_DIRECTORY']
    ] as const) t.match(await importing(archive), [status, { code: `EX10_${code}` }], code)
    t.strictSame(await list(), before)
    await noneLeft(t)
  })

  await t.test('what is exported can be imported again, and gives the same files', async t => {
    await importing(zip([{ name: 'manifest.json', content: MANIFEST }, { name: 'lib/x.js', content: 'x' }, { name: 'lib/x.js.map', content: '{}' }, { name: '.env', content: 'secret' }]))
    const exported = async (query = '') => {
      const response = await fetch(`${base}/export${query}`)
      t.match([response.status, response.headers.get('content-type'), response.headers.get('content-disposition')], [200, 'application/octet-stream', 'attachment; filename="extension.zip"; filename*=UTF-8\'\'extension.zip'])
      return Buffer.from(await response.arrayBuffer())
    }
    const first = await exported()
    t.ok(first.equals(await exported()), 'twice the same bytes')
    t.match(await importing(await exported('?sourceMaps=1')), [200, { written: 0, deleted: 1 }], 'nothing is new, and what is hidden was not in it')
    t.strictSame(await paths(), ['lib/x.js', 'lib/x.js.map', 'manifest.json'])
    t.match(await importing(first), [200, { written: 0, deleted: 1 }])
    t.match(await remove('manifest.json'), [200])
    t.match(await ask('/export'), [409, { code: 'EX10_NOTHING_TO_EXPORT' }])
    await put('manifest.json', MANIFEST)
    await noneLeft(t)
  })

  await t.test('a push of all files leaves those alone that are as they were, and takes the others away', async t => {
    await importing(zip([{ name: 'manifest.json', content: MANIFEST }, { name: 'lib/x.js', content: 'x' }, { name: 'gone/y.js', content: 'y' }]))
    const modified = (await list()).find(({ path }) => path === 'lib/x.js')!.modified
    const sync = async (files: object[]) => await (await pushCode(server, { sessionId: session.id, files, sync: true, wait: true })).json()
    t.match(await sync([{ filePath: 'manifest.json', content: MANIFEST }, { filePath: '/lib/x.js', content: 'x' }, { filePath: 'new.js', content: 'new' }]), { success: true, loaded: true, problems: [] })
    t.strictSame(await paths(), ['lib/x.js', 'manifest.json', 'new.js'])
    t.equal((await list()).find(({ path }) => path === 'lib/x.js')!.modified, modified)
    t.match(await sync([{ filePath: 'new.js', delete: true }]), { code: 'EX10_BAD_REQUEST' })
    t.match(await (await pushCode(server, { sessionId: session.id, files: [{ filePath: 'none.js', delete: true, ifExists: true }, { filePath: 'new.js', delete: true, ifExists: true }] })).json(), { success: true })
    t.match(await (await pushCode(server, { sessionId: session.id, files: [{ filePath: 'none.js', delete: true }] })).json(), { code: 'EX10_PATH_NOT_FOUND' })
    t.strictSame(await paths(), ['lib/x.js', 'manifest.json'])
  })

  await t.test('a program of ours that the session stops or kills delays nobody for ever, and leaves nothing', async t => {
    t.strictSame(await meddled, { SIGKILL: { codes: Array(4).fill('EX10_WRITER_FAILED'), isSoon: true, isLeft: false }, SIGSTOP: { codes: Array(4).fill('EX10_WRITER_FAILED'), isSoon: true, isLeft: false } })
  })
})

/** What becomes of transfers in a session that stops or kills whatever serves them, as soon as it sees it. */
async function meddle (t: Test, server: Server) {
  const session = await createSession(server)
  const { run, facts, start } = await inside(t, server, session)
  const code = async (path: string, method = 'GET', body?: Buffer) => {
    const response = await fetch(`${server.url}/sessions/${session.id}/${path}`, { method, ...(body && { body: new Blob([body]) }) })
    return (await response.json() as { code?: string }).code
  }
  const outcomes: Record<string, { codes: (string | undefined)[], isSoon: boolean, isLeft: boolean }> = {}
  for (const signal of ['SIGKILL', 'SIGSTOP']) {
    const meddler = start(pythonArgv('meddle.py', signal))
    await firstLine(meddler)
    const startedAt = performance.now()
    const archive = zip([{ name: 'manifest.json', content: MANIFEST }, { name: 'x', content: randomBytes(MIB) }])
    const codes = await Promise.all([code('files/met.bin', 'PUT', randomBytes(2 * MIB)), code('import', 'POST', archive), code('files/manifest.json'), code('files')])
    const isSoon = performance.now() - startedAt < 30_000
    meddler.stdin.end()
    await once(meddler, 'exit')
    const left = await run(['sh', '-c', `ls -A ${facts.account.home}/.ex10-transfer; ls ${facts.account.home}/extension/met.bin 2>/dev/null`])
    outcomes[signal] = { codes, isSoon, isLeft: left.stdout !== '' }
  }
  return outcomes
}
