import { globSync, lstatSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import t from 'tap'
import { as, keysCommand } from '#support/access/keys.ts'
import { openDevTools } from '#support/display/devtools.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { ask, read } from '#support/servers/client.ts'
import { next, refusalOf, serve } from '#support/servers/creation.ts'
import { nextEvent, pastEvents } from '#support/servers/events.ts'
import { createSession, endSession, eventually, pushCode, type Server } from '#support/servers/server.ts'

const BROKEN = { status: 500, body: { code: 'EX10_SEAL_BROKEN', message: /Ask the operator/ } }

/** The message of an event. */
const EVENT = 'Push 1 was written'

/** The files of the data folder that show one of these words. Homes are the sessions' own file systems, and are not looked into. */
function showing (server: Server, words: string[]): string[] {
  const files = globSync(`${server.dataDir}/**`, { exclude: path => ['homes', 'templates', 'npm-cache', 'browsers'].some(name => path === join(server.dataDir, name)) }).filter(path => lstatSync(path, { throwIfNoEntry: false })?.isFile())
  return files.filter(file => {
    const content = ifThere(file)
    return words.some(word => content.includes(word))
  })
}

/** The content of a file, which the server may delete meanwhile. */
function ifThere (file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

t.test('nothing that people leave can be read on the disk, in live sessions and ended ones; a wrong key is refused, and what is broken is said', { timeout: 200_000 }, async whole => {
  const t = whole
  let server = await serve(whole, { ...lightDisplay(), EX10_AUTH: 'keys', EX10_ON_SHUTDOWN: 'keep' })
  const admin = as(server, await keysCommand(server, 'create', '--user', 'ada', '--role', 'admin'))
  let anna = as(server, await keysCommand(server, 'create', '--user', 'anna'))
  const [live, other, ended] = [await createSession(anna), await createSession(anna), await createSession(anna)]
  const put = (id: string, path: string, value: string) => ask(anna, `/sessions/${id}/state/${path}`, { method: 'PUT', body: JSON.stringify(value) })
  const state = (id: string) => ask(anna, `/sessions/${id}/state/user_data/notes`)

  await t.test('state, preferences, code and events are sealed, and so is what an ended session leaves', async t => {
    for (const { id } of [live, other, ended]) {
      t.equal((await put(id, 'user_data/notes', 'STATE-marker')).status, 201)
      t.equal((await pushCode(anna, { sessionId: id, filePath: 'FILE-marker.js', content: '// CODE-marker' })).status, 200)
      await nextEvent(anna, id, { type: 'pushed' })
    }
    t.equal((await put(live.id, 'preferences/theme', 'PREFERENCE-marker')).status, 201)
    t.match(JSON.stringify(await pastEvents(anna, live.id)), new RegExp(EVENT), 'control: the events tell of it')
    const markers = ['STATE-marker', 'CODE-marker', 'FILE-marker', EVENT, 'PREFERENCE-marker']
    t.strictSame(showing(server, markers), [])
    await endSession(anna, ended.id)
    t.strictSame(showing(server, markers), [])
    t.ok(showing(server, ['anna']).length > 0, 'control: the files were looked into')
    t.match((await read(server, '/health')).encryption, { key: readFileSync(`${server.dataDir}/master-keys`, 'utf8').match(/^[0-9a-f]{16}/m)![0], sealed: ['records', 'blobs', 'events', 'extension'] })
  })

  await t.test('without its key file, with another one, or with none, the server does not start, and overwrites nothing', async t => {
    await server.stop('SIGKILL')
    const file = `${server.dataDir}/master-keys`
    renameSync(file, `${file}.elsewhere`)
    t.match(await refusalOf(server.env), /ex10: the key file \S+\/master-keys is missing, and what is in the store is sealed with the key [0-9a-f]{16}: put back the file that holds it/m)
    writeFileSync(file, readFileSync(`${file}.elsewhere`, 'utf8').replace(/(Z )./, '$1_'), { mode: 0o600 })
    t.match(await refusalOf(server.env), /ex10: the key file \S+\/master-keys cannot be used: its key 1 is damaged/m)
    t.match(await refusalOf({ ...server.env, EX10_KEY_FILE: 'none' }), /ex10: EX10_KEY_FILE=none cannot be used: what is in the store is sealed with the key /m)
    renameSync(`${file}.elsewhere`, file)
    server = await next(whole, server)
    anna = { ...anna, ...server, headers: anna.headers! }
    t.equal((await state(live.id)).body, 'STATE-marker', 'with its key, all is there')
    t.match(JSON.stringify(await pastEvents(anna, live.id)), new RegExp(EVENT))
    t.equal((await ask(anna, `/sessions/${live.id}/state/preferences/theme`)).body, 'PREFERENCE-marker')
  })

  await t.test('a data key that was changed on the disk breaks its session alone', async t => {
    await server.stop('SIGKILL')
    const records = new DatabaseSync(`${server.dataDir}/records.db`)
    const { value } = records.prepare('SELECT value FROM records WHERE partition = ?').get(`data-keys/${other.id}`) as { value: Uint8Array }
    value[value.length - 1]! ^= 1
    records.prepare('UPDATE records SET value = ? WHERE partition = ?').run(value, `data-keys/${other.id}`)
    records.close()
    server = await next(whole, server)
    anna = { ...anna, ...server, headers: anna.headers! }
    t.match(await state(other.id), BROKEN)
    t.match(await put(other.id, 'user_data/notes', 'new'), BROKEN, 'nothing is written with another key')
    t.equal((await state(live.id)).body, 'STATE-marker')
    for (const { id } of [live, other]) t.equal((await endSession({ ...server, headers: admin.headers! }, id)).status, 200, 'both can be ended')
  })
})

t.test('the tabs of a browser and the storage of its extension are kept for a recovery, and cannot be read on the disk', { timeout: 200_000 }, async t => {
  const server = await serve(t, { EX10_RECOVERY_INTERVAL: '2' })
  const session = await createSession(server)
  const devTools = await openDevTools(t, server, session)
  const options = await devTools.openTab(`chrome-extension://${devTools.extensionId}/options.html?TAB-marker`)
  await eventually('its storage', async () => await options.evaluate('Boolean(globalThis.chrome?.storage)') === true)
  await options.evaluate('document.title = "TITLE-marker"; chrome.storage.local.set({ notes: "STORAGE-marker" })')
  await ask(server, `/sessions/${session.id}/state/user_data/notes`, { method: 'PUT', body: '"STATE-marker"' })
  const kept = () => globSync(`${server.dataDir}/blobs/${session.id}.snapshot/*`).length > 0
  await eventually('a recovery point', kept, 30_000)
  t.strictSame(showing(server, ['TAB-marker', 'TITLE-marker', 'STORAGE-marker', 'STATE-marker']), [])
})
