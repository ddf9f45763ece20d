import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { promisify } from 'node:util'
import t from 'tap'
import { as, keysCommand } from '#support/access/keys.ts'
import { ask } from '#support/servers/client.ts'
import { assertEndsClean, next, serve } from '#support/servers/creation.ts'
import { NODE_COMPILE_CACHE, TEST_DATA, testEnv, type Server } from '#support/servers/server.ts'

/** `npm run backup` or `npm run restore`, with the server's settings; resolves with its output. */
async function command (name: 'backup' | 'restore', { env }: Pick<Server, 'env'>, ...words: string[]): Promise<string> {
  return (await promisify(execFile)(process.execPath, [`bin/${name}.mjs`, ...words], { env: { PATH: process.env.PATH, NODE_COMPILE_CACHE, ...env } })).stdout
}

t.test('a backup that is taken while the server writes is whole: on an empty data folder, the same keys let the same people in, and the audit log tells of them', async t => {
  const dir = mkdtempSync(`${TEST_DATA}/backup-`)
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const server = await serve(t, { EX10_AUTH: 'keys' })
  const ada = as(server, await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin'))
  const made: string[] = [] // keys, in order
  const over = new AbortController()
  const writing = (async () => {
    while (!over.signal.aborted) made.push((await ask(ada, '/admin/keys', { method: 'POST', body: { user: `user-${made.length}` } })).body.key)
  })()
  const backups: { file: string, atLeast: number, atMost: number }[] = []
  for (const name of ['one', 'two', 'three']) {
    const atLeast = made.length
    await command('backup', server, `${dir}/${name}`, '--with-keys')
    backups.push({ file: `${dir}/${name}`, atLeast, atMost: made.length + 1 })
  }
  over.abort()
  await writing
  await t.rejects(command('restore', server, backups[0]!.file, '--force'), /runs on .*: end it first/)

  const copies = backups.map(({ file }) => ({ file, env: testEnv({ EX10_AUTH: 'keys' }) }))
  for (const { file, env } of copies) await command('restore', { env }, file)
  for (const [index, { atLeast, atMost }] of backups.entries()) {
    const keys = (await keysCommand(copies[index]!, 'list')).split('\n').length - 1 // without ada's
    t.ok(keys >= atLeast && keys <= atMost, `${keys} keys, of ${atLeast} to ${atMost} that there were`)
    t.comment(`${atMost - atLeast} keys were made meanwhile`)
  }
  const last = backups.at(-1)!
  t.ok(last.atMost - backups[0]!.atLeast > 3, 'control: the server did write')
  const restored = { ...await next(t, { env: copies.at(-1)!.env }), headers: ada.headers! }
  t.match((await ask(as(restored, made[0]!), '/me')).body, { user: 'user-0', role: 'user' })
  t.match((await ask(restored, '/me')).body, { user: 'ada', role: 'admin' })
  t.equal((await ask(as(restored, `${made[0]!.slice(0, -1)}!`), '/me')).status, 401)
  const { entries, intact } = (await ask(restored, '/admin/audit-log?verify=true&limit=500')).body
  t.equal(intact, true, 'its chain is whole')
  const actions: string[] = entries.map(({ action }: { action: string }) => action)
  t.equal(actions[0], 'backup.restored')
  t.ok(actions.filter(action => action === 'key.created').length > last.atLeast, 'each key is in it')
  for (const { env } of copies.slice(0, -1)) rmSync(env.EX10_DATA_DIR!, { recursive: true })
  await assertEndsClean(t, restored)
})
