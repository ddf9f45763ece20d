import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { ProgressLine } from '#schemas/progress.ts'
import { crx, tgz, zip, type Entry } from '#support/code/archives.ts'
import { inside } from '#support/sandbox.ts'
import { read } from '#support/servers/client.ts'
import { serve } from '#support/servers/creation.ts'
import { endSession, eventually, pushCode, readLines, type Server } from '#support/servers/server.ts'

const manifest = (more = {}) => JSON.stringify({ manifest_version: 3, name: 'First', version: '1.0', ...more })
const ENTRIES: Entry[] = [{ name: 'first/manifest.json', content: manifest({ background: { service_worker: 'worker.js' } }) }, { name: 'first/worker.js', content: 'self.began = true' }]

interface Answer { status: number, body?: { code?: string }, last?: ProgressLine }

async function create (server: Server, body: Buffer | object, type = 'application/json', query = ''): Promise<Answer> {
  const response = await fetch(`${server.url}/sessions${query}`, { method: 'POST', headers: { 'content-type': type }, body: Buffer.isBuffer(body) ? new Blob([body]) : JSON.stringify(body) })
  if (!response.ok) return { status: response.status, body: await response.json() as { code?: string } }
  return { status: response.status, last: (await Array.fromAsync(readLines(response))).at(-1)! }
}

/** What the session holds and says, before it is ended. */
async function lookAndEnd (t: Test, server: Server, { last }: Answer, hasWorker = true) {
  if (last?.status !== 'complete') throw new Error(JSON.stringify(last))
  const id = last.data.sessionId
  const paths = (await read(server, '/sessions/:id/files', { id })).files.map(({ path }) => path).sort()
  const { facts, run } = await inside(t, server, { id, url: '', lines: [] })
  const staging = (await run(['sh', '-c', `ls -A ${facts.account.home}/.ex10-transfer 2>/dev/null`])).stdout
  const findWorkers = async () => {
    const targets = await (await fetch(`http://127.0.0.1:${facts.slot.devToolsPort}/json/list`)).json() as { type: string, url: string }[]
    return targets.filter(({ type }) => type === 'service_worker').map(({ url }) => url.replace(/^chrome-extension:\/\/[a-p]{32}/, ''))
  }
  if (hasWorker) await eventually('a worker', async () => (await findWorkers()).length > 0)
  const workers = await findWorkers()
  const { problems, version, template } = await read(server, '/sessions/:id', { id })
  t.equal((await endSession(server, id)).status, 200)
  return { paths, staging, workers, problems, version, template, width: facts.width }
}

t.test('a session begins with the person\'s own files, and the template\'s are not there', { timeout: 120_000 }, async t => {
  const server = await serve(t)
  const expected = { paths: ['manifest.json', 'worker.js'], staging: '', workers: ['/worker.js'], problems: [], version: 0, template: 'vanilla', width: 1280 }
  const files = ENTRIES.map(({ name, content }) => ({ filePath: String(name).replace('first', ''), content }))
  const kinds: [Buffer | object, string, string][] = [[{ files }, 'application/json', ''], [zip(ENTRIES), 'application/zip', '?width=1000&template=vanilla'], [tgz(ENTRIES), 'application/gzip', ''], [crx(zip(ENTRIES)), 'application/x-chrome-extension; x=y', '']]
  await Promise.all(kinds.map(async ([body, type, query]) => {
    t.strictSame(await lookAndEnd(t, server, await create(server, body, type, query)), { ...expected, ...(query && { width: 1000 }) }, type)
  }))

  const broken = await lookAndEnd(t, server, await create(server, { files: [{ filePath: 'manifest.json', content: '{ no manifest' }] }), false)
  t.match(broken, { paths: ['manifest.json'], workers: [], problems: [{ kind: 'manifest-error', file: 'manifest.json' }] }, 'what Chromium refuses is a session all the same, which says why')

  await t.test('what can be seen to be wrong is refused with a status, and nothing is made', async t => {
    const refused: [Answer, number, string][] = [
      [await create(server, { files: [{ filePath: '../x', content: '' }] }), 400, 'EX10_PATH_TRAVERSAL'], [await create(server, { files: [{ filePath: 'x', content: '' }, { filePath: './x', content: '' }] }), 400, 'EX10_PATH_REPEATED'],
      [await create(server, { files: [{ filePath: 'x', delete: true }] }), 400, 'EX10_BAD_REQUEST'], [await create(server, { files: [] }), 400, 'EX10_BAD_REQUEST'], [await create(server, { files: [{ filePath: 'x', content: '%', encoding: 'base64' }] }), 400, 'EX10_BAD_ENCODING'],
      [await create(server, Buffer.from('hello'), 'application/zip'), 400, 'EX10_ARCHIVE_UNKNOWN'], [await create(server, Buffer.alloc(0), 'application/zip'), 400, 'EX10_ARCHIVE_UNKNOWN'], [await create(server, crx(zip(ENTRIES), { version: 2 }), 'application/x-chrome-extension'), 400, 'EX10_ARCHIVE_UNKNOWN'],
      [await create(server, zip(ENTRIES), 'application/zip', '?width=1'), 400, 'EX10_BAD_REQUEST'], [await create(server, zip(ENTRIES), 'application/zip', '?template=none'), 400, 'EX10_UNKNOWN_TEMPLATE'], [await create(server, zip(ENTRIES), 'application/pdf'), 415, 'EX10_UNSUPPORTED_MEDIA_TYPE']
    ]
    for (const [answer, status, code] of refused) t.match(answer, { status, body: { code } }, code)
    t.strictSame(await read(server, '/sessions'), { sessions: [] })
  })

  await t.test('what only unpacking finds out is the last line of the progress, and nothing is left', async t => {
    const wrong: [Buffer, string, string][] = [
      [zip([...ENTRIES, { name: '../x', content: 'x' }]), 'application/zip', 'EX10_PATH_TRAVERSAL'], [tgz([...ENTRIES, { name: 'x', type: '2', linkTo: '/etc/passwd' }]), 'application/gzip', 'EX10_ARCHIVE_LINK'],
      [zip(ENTRIES).subarray(0, -5), 'application/zip', 'EX10_BAD_ARCHIVE'], [zip([{ name: 'x', content: Buffer.alloc(10 << 20) }]), 'application/zip', 'EX10_ARCHIVE_TOO_LARGE']
    ]
    const answers = await Promise.all(wrong.map(([body, type]) => create(server, body, type)))
    t.match(answers, wrong.map(([, , code]) => ({ status: 200, last: { status: 'error', data: { code } } })))
    t.strictSame(await read(server, '/sessions'), { sessions: [] })
    t.strictSame(readdirSync(`${server.dataDir}/uploads`), [])
  })

  await t.test('what is bundled is exported in its production build, and not at all while that fails', async t => {
    const typed = zip([{ name: 'manifest.json', content: manifest({ background: { service_worker: 'worker.ts' } }) }, { name: 'worker.ts', content: 'const began: boolean = true\nconsole.log(began)' }])
    const { last } = await create(server, typed, 'application/zip', '?template=typescript')
    if (last?.status !== 'complete') throw new Error(JSON.stringify(last))
    const session = { id: last.data.sessionId, url: '', lines: [] }
    const exported = async () => await fetch(`${server.url}/sessions/${session.id}/export`)
    const files = JSON.parse(execFileSync('python3', ['-c', 'import io, json, sys, zipfile; z = zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())); print(json.dumps({name: z.read(name).decode() for name in z.namelist()}))'], { input: Buffer.from(await (await exported()).arrayBuffer()), encoding: 'utf8' }))
    t.match(files, { 'manifest.json': /"worker\.js"/, 'worker.js': /^const began = true;\s*console\.log\(began\);\s*$/ })
    t.strictSame(Object.keys(files), ['manifest.json', 'worker.js'])
    t.equal((await pushCode(server, { sessionId: session.id, filePath: 'worker.ts', content: 'const = 1' })).status, 200)
    const refused = await exported()
    t.match([refused.status, await refused.json()], [409, { code: 'EX10_BUILD_FAILED' }])
    const { facts, run } = await inside(t, server, session)
    t.equal((await run(['ls', '-A', `${facts.account.home}/.ex10-transfer`])).stdout, '', 'nothing of it is left')
    t.equal((await endSession(server, session.id)).status, 200)
  })
})
