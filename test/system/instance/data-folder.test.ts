import t from 'tap'
import { dataFolderAt } from '#system/instance/data-folder.ts'

t.test('what a server wrote into its data folder, the next version finds', async t => {
  const { session, knows, databases, ...paths } = dataFolderAt('/data')
  t.strictSame(paths, {
    path: '/data',
    registry: '/data/registry.db',
    keys: '/data/keys.db',
    logins: '/data/logins.db',
    shares: '/data/shares.db',
    auditLog: '/data/audit-log.db',
    statistics: '/data/statistics.db',
    records: '/data/records.db',
    cookieSecret: '/data/cookie-secret',
    masterKeys: '/data/master-keys',
    homes: '/data/homes',
    sessions: '/data/sessions',
    blobs: '/data/blobs',
    uploads: '/data/uploads',
    templates: '/data/templates',
    restoring: '/data/restore.new',
    restored: '/data/restore',
    browsers: '/data/browsers',
    npmCache: '/data/npm-cache'
  })
  t.equal(session('0a0b'), '/data/sessions/0a0b')
})

t.test('everything that is named belongs into the data folder, what SQLite adds to its files too, and nothing else', async t => {
  const { session, knows, databases, path, ...paths } = dataFolderAt('/data')
  for (const named of Object.values(paths)) t.ok(knows(named.slice(path.length + 1)), named)
  for (const name of ['keys.db-wal', 'keys.db-shm', 'registry.db.damaged-2026-01-01T00-00-00.000Z', 'lost+found']) t.ok(knows(name), name)
  for (const name of ['odd', 'cookie-secret.new', 'homes2', 'my-keys.db', 'keys', '']) t.notOk(knows(name), name)
})
