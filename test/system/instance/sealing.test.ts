import { chmodSync, existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { scopeSealer } from '#domain/storage/scope-sealer.ts'
import { openRecords } from '#stores/memory/records.ts'
import { makeKeyFile } from '#system/instance/key-file.ts'
import { openKeys, openSealer } from '#system/instance/sealing.ts'

async function sealedStore (t: Test) {
  const [path, store] = [`${t.testdir()}/master-keys`, await openRecords()]
  const sealer = await openSealer(path, store)
  const sealed = await sealer.seal('session', 'record', Buffer.from('marker'))
  return { path, store, sealed, open: async () => String(await (await openSealer(path, store)).open('session', 'record', sealed)) }
}

t.test('the first start makes a key file that only root can read, and the next one opens what was sealed', async t => {
  const { path, open } = await sealedStore(t)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.match(readFileSync(path, 'utf8'), /^# .*\n[0-9a-f]{16} \S+Z [\w-]{43}\n$/)
  t.equal(await open(), 'marker')
})

t.test('a lost key file refuses the start, and no new one is made', async t => {
  const { path, open } = await sealedStore(t)
  const [id = ''] = /^[0-9a-f]{16}/m.exec(readFileSync(path, 'utf8')) ?? []
  renameSync(path, `${path}.elsewhere`)
  await t.rejects(open(), { name: 'StartRefused', message: new RegExp(`^the key file ${path} is missing, .* the key ${id}: put back the file`) })
  t.notOk(existsSync(path))
  renameSync(`${path}.elsewhere`, path)
  t.equal(await open(), 'marker', 'with the file back, all is there')
})

t.test('another key refuses the start, and so does none: nothing is overwritten', async t => {
  const { path, store, open } = await sealedStore(t)
  renameSync(path, `${path}.elsewhere`)
  makeKeyFile(path)
  await t.rejects(open(), { name: 'StartRefused', message: /does not hold the key [0-9a-f]{16}, / })
  await t.rejects(openSealer('none', store), { name: 'StartRefused', message: /^EX10_KEY_FILE=none cannot be used: / })
  renameSync(`${path}.elsewhere`, path)
  t.equal(await open(), 'marker')
})

t.test('a key file that is damaged, empty or open to others is refused, and left as it is', async t => {
  const { path, open } = await sealedStore(t)
  const text = readFileSync(path, 'utf8')
  for (const [bad, why] of [['', /it holds no key/], ['nonsense\n', /its key 1 is damaged/], [text.replace(/.\n$/, '\n'), /its key 1 is damaged/]] as const) {
    writeFileSync(path, bad)
    await t.rejects(open(), { name: 'StartRefused', message: why })
    t.equal(readFileSync(path, 'utf8'), bad)
  }
  writeFileSync(path, text)
  chmodSync(path, 0o640)
  await t.rejects(open(), { name: 'StartRefused', message: /users other than root can read it/ })
})

t.test('two servers that start at once on one store do not end with two keys', async t => {
  const [folder, store] = [t.testdir(), await openRecords()]
  const results = await Promise.allSettled(['one', 'two'].map(name => openSealer(`${folder}/${name}`, store)))
  t.strictSame(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'], 'the second one is refused until it has the file of the first')
  const shared = makeKeyFile(`${folder}/shared`)
  t.equal(makeKeyFile(`${folder}/shared`).newest().id, shared.newest().id, 'a file that is there is not replaced')
})

t.test('a running server takes up a key that another process adds, and goes on when the file is lost', async t => {
  const [path, store] = [`${t.testdir()}/master-keys`, await openRecords()]
  const running = await openKeys(path, store)
  const [old] = running.list()
  const other = await openKeys(path, store)
  const fresh = makeKeyFile(`${path}.fresh`).list()[0]!
  other.write([fresh, old!])
  t.equal(running.newest().id, fresh.key.id)
  const sealed = await scopeSealer(store, other).seal('session', 'record', Buffer.from('marker'))
  renameSync(path, `${path}.lost`)
  t.equal(String(await scopeSealer(store, running).open('session', 'record', sealed)), 'marker')
  t.equal(running.newest().id, fresh.key.id)
})
