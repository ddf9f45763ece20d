import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t from 'tap'
import { openAuditLog } from '#stores/sqlite/audit-log.ts'

t.test('entries of a version that kept no ports are read, and the chain that goes on from them is intact', async t => {
  const folder = mkdtempSync(`${tmpdir()}/ex10-audit-log-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  const earlier = await openAuditLog(`${folder}/audit-log.db`)
  await earlier.append({ user: 'anna', address: '192.0.2.7', action: 'session.created', target: 'a' })
  await earlier.close()
  const store = await openAuditLog(`${folder}/audit-log.db`)
  t.teardown(() => store.close())
  await store.append({ user: 'anna', address: '192.0.2.7', port: 40_000, action: 'session.end', target: 'a' })
  const [end, created] = await store.page({ limit: 10 })
  t.match(end, { seq: 2, address: '192.0.2.7', port: 40_000 })
  t.match(created, { seq: 1, address: '192.0.2.7', action: 'session.created' })
  t.notOk('port' in created!)
  t.equal(await store.firstBroken(AbortSignal.timeout(5000)), undefined)
})
