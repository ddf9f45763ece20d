import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import t from 'tap'
import { lightDisplay } from '#support/display/light-display.ts'
import { pax, tar, tarEntry, type Entry } from '#support/code/archives.ts'
import { ask } from '#support/servers/client.ts'
import { listStates, serve } from '#support/servers/creation.ts'
import { createSession, pushCode, type Server } from '#support/servers/server.ts'

const HEAD = { format: 'ex10-session', version: 1, at: '2026-01-01T00:00:00.000Z', template: 'vanilla', width: 800, height: 600, devServerPort: 8000, tabs: [] }
const head: Entry = { name: 'session.json', content: JSON.stringify(HEAD) }
const manifest: Entry = { name: 'code/manifest.json', content: '{}' }
const headed = (change: object) => ({ name: 'session.json', content: JSON.stringify({ ...HEAD, ...change }) })
const file = (name: string, more: Partial<Entry> = {}) => [head, manifest, { name, content: 'x', ...more }]
const pack = (entries: Entry[]) => gzipSync(tar(entries))

const importing = (server: Server, archive: Buffer, type = 'application/gzip') => ask(server, '/sessions/import', { method: 'POST', body: archive, headers: { 'content-type': type, accept: 'application/json' } })

/** By what is wrong with it. */
function hostileArchives (): [string, Buffer][] {
  const good = pack([head, manifest])
  const plain = tar([head, manifest])
  const names = ['../x', 'code/../x', 'code/a/../../x', '/etc/passwd', '/code/x', './code/x', 'code//x', 'code/./x', 'code/a\\b', 'code/..\\x', 'code/%2e%2e/x', 'code/%2e%2e%2fx', 'code/．．/x', 'code/x/', 'code/', 'code', 'x', 'profile/x', 'home/x', 'code/c:/x', 'C:\\x', '~/x', 'session.json', 'state.json/x', '.', '..', 'code/\ufffd\ufffe/..', `code/${'x'.repeat(90)}/../x`]
  const types = ['1', '2', '3', '4', '5', '6', '7', 'S', 'D', 'M', 'V', 'N', 'g', 'K', 'X', 'A', 'Z', '9']
  const paxes: Record<string, string>[] = [{ path: '../x' }, { path: '/etc/passwd' }, { path: 'code/../../x' }, { path: 'code/manifest.json' }, { linkpath: '/etc/passwd' }, { size: '99999999999' }, { size: '-1' }, { size: '1e3' }, { 'GNU.sparse.major': '1' }, { 'GNU.sparse.name': '../x' }, { 'SCHILY.xattr.user.x': '1' }, { path: `code/${'x'.repeat(5000)}` }, { comment: 'x'.repeat(20_000) }]
  const heads: [string, Entry][] = [
    ['an unknown version', headed({ version: 2 })], ['no version', headed({ version: undefined })], ['another format', headed({ format: 'other' })], ['a wide display', headed({ width: 100_000 })], ['a negative height', headed({ height: -1 })],
    ['a width that is a text', headed({ width: '800' })], ['tabs that are no list', headed({ tabs: 'x' })], ['too many tabs', headed({ tabs: Array(101).fill({ url: 'about:blank' }) })], ['a tab with more', headed({ tabs: [{ url: 'x', run: 'y' }] })], ['a long address', headed({ tabs: [{ url: 'x'.repeat(9000) }] })],
    ['an unknown field', headed({ owner: 'root' })], ['a prototype', { name: 'session.json', content: '{"__proto__":{"format":"ex10-session"}}' }], ['an unknown template', headed({ template: 'none' })], ['a template that is a path', headed({ template: '../x' })], ['an id that is a path', headed({ extensionId: '../../x' })],
    ['no JSON', { name: 'session.json', content: '{' }], ['a list', { name: 'session.json', content: '[]' }], ['null', { name: 'session.json', content: 'null' }], ['nothing', { name: 'session.json', content: '' }], ['a huge head', { name: 'session.json', content: ' '.repeat(1_100_000) }]
  ]
  const changed = (at: number, byte: number) => { const copy = Buffer.from(plain); copy[at] = byte; return gzipSync(copy) }
  return [
    ...names.map((name): [string, Buffer] => [`the name ${name}`, pack(file(name))]),
    ...types.map((type): [string, Buffer] => [`the type ${type}`, pack(file('code/x', { type, linkTo: '/etc/passwd' }))]),
    ...paxes.map((values): [string, Buffer] => [`pax ${JSON.stringify(values).slice(0, 60)}`, pack([head, manifest, pax(values), { name: 'code/x', content: 'x' }])]),
    ...heads.map(([what, entry]): [string, Buffer] => [what, pack([entry, manifest])]),
    ...[1, 20, good.length - 20, good.length - 8, good.length - 1].map((length): [string, Buffer] => [`cut off after ${length} bytes`, good.subarray(0, length)]),
    ...[600, 1024, plain.length - 1600].map((length): [string, Buffer] => [`a tar cut off after ${length} bytes`, gzipSync(plain.subarray(0, length))]),
    ['a wrong checksum', changed(148, 0x39)], ['a damaged name', changed(0, 0)], ['a size that is no number', changed(125, 0x7a)],
    ['nothing', Buffer.alloc(0)], ['a tar that is not compressed', plain], ['compressed twice', gzipSync(good)], ['a zip', Buffer.from('PK\x05\x06' + '\0'.repeat(18))], ['noise', createHash('sha512').update('x').digest()], ['an empty gzip', gzipSync('')],
    ['no head', pack([manifest])], ['a head that is not the first', pack([manifest, head])], ['two heads', pack([head, head, manifest])], ['no code', pack([head])],
    ['the same name twice', pack([head, manifest, manifest])], ['names that differ in case', pack([head, manifest, { name: 'code/Manifest.json' }])], ['names that differ in their form', pack([head, manifest, { name: 'code/\u00e9' }, { name: 'code/e\u0301' }])],
    ['a state that is a list', pack([head, manifest, { name: 'state.json', content: '[]' }])], ['a storage of another area', pack([head, manifest, { name: 'storage.json', content: '{"managed":{}}' }])], ['a storage that is a text', pack([head, manifest, { name: 'storage.json', content: '"x"' }])],
    ['a bomb', gzipSync(Buffer.concat([tarEntry(head), tarEntry({ name: 'code/bomb', content: Buffer.alloc(60_000_000) }), Buffer.alloc(1024)]))], ['a bomb of zstd', zstdCompressSync(Buffer.concat([tarEntry(head), tarEntry({ name: 'code/bomb', content: Buffer.alloc(60_000_000) }), Buffer.alloc(1024)]))],
    ['a size without content', pack([head, manifest, { name: 'code/x', size: 10_000_000 }])], ['a negative size', pack([head, manifest, { name: 'code/x', size: -1 }])]
  ]
}

t.test('A whole session as one archive', async t => {
  const server = await serve(t, lightDisplay())
  const session = await createSession(server, '?width=1000')
  await pushCode(server, { sessionId: session.id, filePath: 'deep/notes.txt', content: 'mine' })
  await ask(server, `/sessions/${session.id}/state/ui_state/layout`, { method: 'PUT', body: { wide: true } })

  for (const [format, unpack] of [['tar.gz', gunzipSync], ['tar.zst', zstdDecompressSync]] as const) {
    await t.test(`as ${format}: downloaded, and made a session of, with its code and its state`, async t => {
      const answer = await fetch(`${server.url}/sessions/${session.id}/snapshot?format=${format}`)
      t.equal(answer.status, 200)
      const archive = Buffer.from(await answer.arrayBuffer())
      t.match(unpack(archive).toString('latin1').slice(0, 13), 'session.json\0')
      const made = await importing(server, archive, format === 'tar.gz' ? 'application/gzip' : 'application/zstd')
      t.equal(made.status, 201, made.text)
      const id = made.body.sessionId
      t.equal((await ask(server, `/sessions/${id}/files/deep/notes.txt`)).text, 'mine')
      t.strictSame((await ask(server, `/sessions/${id}/state/ui_state/layout`)).body, { wide: true })
      t.equal((await ask(server, `/sessions/${id}`, { method: 'DELETE' })).status, 200)
    })
  }

  await t.test('a hostile archive is refused whole, before anything is made of it', async t => {
    const archives = hostileArchives()
    t.ok(archives.length >= 100, `${archives.length} archives`)
    const before = await listStates(server)
    for (const [what, archive] of archives) {
      const { status, body } = await importing(server, archive)
      t.match({ status, code: body.code }, { status: /^(400|413)$/, code: /^EX10_/ }, `${what}: ${status} ${body.code}`)
    }
    t.strictSame(await listStates(server), before)
  })
})
