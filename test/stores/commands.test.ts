import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import t from 'tap'
import { NODE_COMPILE_CACHE, testEnv } from '#support/servers/server.ts'

/** A command for the terminal, with the settings of an instance; resolves with how it ended. */
function command (name: string, store: string, ...words: string[]): Promise<{ code: unknown, stderr: string }> {
  const own = testEnv({ EX10_AUTH: 'keys', EX10_STORE: store })
  t.teardown(() => rmSync(own.EX10_DATA_DIR!, { recursive: true, force: true }))
  const env = { PATH: process.env.PATH, NODE_COMPILE_CACHE, ...own }
  return new Promise(resolve => execFile(process.execPath, [`bin/${name}.mjs`, ...words], { env }, (error, _, stderr) => resolve({ code: error?.code ?? 0, stderr })))
}

t.test('commands that cannot do their work with a store say so in one line, without its password', async t => {
  const [postgres, redis] = ['postgres://ex10:secret@127.0.0.1:1/ex10', 'redis://:secret@127.0.0.1:1']
  const table: [string[], string, RegExp][] = [
    [['backup', '/tmp/never'], postgres, /^ex10: with EX10_STORE=postgres:, the data folder has no stores: use the backup of that server\n$/],
    [['backup', '/tmp/never'], 'memory:', /^ex10: with EX10_STORE=memory:, the data folder has no stores: /],
    [['restore', '/tmp/never'], redis, /^ex10: with EX10_STORE=redis:, no store is in the data folder: /],
    [['keys', 'list'], redis, /^ex10: EX10_STORE=redis:\/\/127\.0\.0\.1:1 cannot be used: connect ECONNREFUSED 127\.0\.0\.1:1\n$/],
    [['keys', 'list'], postgres, /^ex10: EX10_STORE=postgres:\/\/127\.0\.0\.1:1\/ex10 cannot be used: connect ECONNREFUSED 127\.0\.0\.1:1\n$/],
    [['keys', 'list'], 'memory:', /^ex10: with EX10_STORE=memory:, keys are in the server's memory: /],
    [['admin', 'list'], 'memory:', /^ex10: with EX10_STORE=memory:, this command can make no key for itself: /]
  ]
  await Promise.all(table.map(async ([[name = '', ...words], store, said]) => {
    const { code, stderr } = await command(name, store, ...words)
    t.equal(code, 1)
    t.match(stderr, said, `${name} with ${store}`)
    t.notMatch(stderr, 'secret')
  }))
})
