import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { scopesOf } from '#domain/access/api-key.ts'
import { openKeys } from '#stores/sqlite/keys.ts'
import { openLogins } from '#stores/sqlite/logins.ts'

const anna = { user: 'anna', role: 'user' as const, scopes: scopesOf('user') }

function newFile (t: Test): string {
  const folder = mkdtempSync(`${tmpdir()}/ex10-keys-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  return `${folder}/keys.db`
}

t.test('what one process makes or revokes, another that has the keys open knows at once', async t => {
  const file = newFile(t)
  const [server, terminal] = [openKeys(file), openKeys(file)]
  t.teardown(() => { server.close(); terminal.close() })
  const { key, secret } = terminal.create(anna)
  t.match(server.find(secret), { id: key.id, ...anna })
  terminal.revoke(key.id)
  t.equal(server.find(secret), undefined)
  t.equal(server.isInForce(key.id), false)
})

t.test('a key is found until its time is over, and only by all of its secret', async t => {
  const keys = openKeys(newFile(t))
  t.teardown(() => keys.close())
  const end = new Date(Date.now() + 60_000)
  const { key, secret } = keys.create({ ...anna, expiresAt: end })
  t.equal(keys.find(secret)?.id, key.id)
  t.equal(keys.find(secret, end), undefined)
  for (const wrong of ['', secret.slice(0, -1), secret + 'A', secret.toLowerCase()]) t.equal(keys.find(wrong), undefined)
})

t.test('a key is good although it cannot be noted that it was used', async t => {
  const file = newFile(t)
  const problems: unknown[] = []
  const keys = openKeys(file, error => problems.push(error))
  const other = new DatabaseSync(file)
  t.teardown(() => { keys.close(); other.close() })
  const { key, secret } = keys.create(anna)
  other.exec('BEGIN IMMEDIATE')
  t.equal(keys.find(secret)?.id, key.id)
  t.match(problems, [{ message: /locked/ }], 'and somebody hears why')
  other.exec('COMMIT')
  t.equal(keys.find(secret)?.id, key.id)
  t.equal(problems.length, 1, 'the control')
})

t.test('keys and logins that are damaged stop the start in one line, and are left as they are; only root reads them', async t => {
  for (const open of [openKeys, openLogins]) {
    const file = newFile(t)
    writeFileSync(file, 'no database, but longer than the head of one '.repeat(10))
    t.throws(() => open(file), { name: 'StartRefused', message: /^\/[^\n]+ cannot be used: [^\n]+; put a good copy in its place[^\n]+$/ })
    t.equal(statSync(file).size, 450)
    const other = newFile(t)
    writeFileSync(other, '')
    chmodSync(other, 0o644)
    open(other).close()
    t.equal(statSync(other).mode & 0o777, 0o600)
  }
})
