import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { read } from '#support/servers/client.ts'
import { assertEndsClean, serve } from '#support/servers/creation.ts'
import { assertAudited } from '#support/faults/faults.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { IS_LONG } from '#support/servers/long.ts'
import { newRandom } from '#support/inputs/random.ts'
import { inside, pythonArgv, type Inside } from '#support/sandbox.ts'
import { createSession, endSession, pushCode, type CreatedSession, type Server } from '#support/servers/server.ts'
import { tally } from '#support/servers/tally.ts'

const KILLS = IS_LONG ? 300 : 30
const WRITTEN = 8

/** Ten files: four are replaced, four are new, in folders that are new, too, and two are deleted. */
function tenFiles (content: string) {
  return [
    ...[0, 1, 2, 3].map(index => ({ filePath: `old-${index}.js`, content })),
    ...[0, 1, 2, 3].map(index => ({ filePath: `new/folder-${index % 2}/${index}.js`, content })),
    ...[0, 1].map(index => ({ filePath: `deleted-${index}.js`, delete: true }))
  ]
}

/** All that is in the extension's folder, and what the writer left beside it: kinds, permissions, names and contents. */
async function listCode (own: Inside): Promise<string> {
  const script = 'cd "$1" && find extension .ex10-push -mindepth 1 -printf "%y %m %p\\n" | sort && find extension -type f -name "*.js" -print0 | sort -z | xargs -0 sha256sum'
  const { stdout, stderr, code } = await own.run(['sh', '-c', script, 'sh', own.facts.account.home])
  if (code !== 0) throw new Error(stderr)
  return stdout
}

async function versionOf (server: Server, { id }: CreatedSession): Promise<number> {
  return (await read(server, '/sessions/:id', { id })).version
}

const OLD = ['old-0.js', 'old-1.js', 'old-2.js', 'old-3.js', 'deleted-0.js', 'deleted-1.js']

/** Brings the extension into the state that the push meets: files of several permissions. */
async function restore (t: Test, server: Server, session: CreatedSession, own: Inside): Promise<void> {
  const pushed = await pushCode(server, { sessionId: session.id, files: OLD.map(filePath => ({ filePath, content: `// ${filePath} as before` })) })
  t.equal(pushed.status, 200, 'a push after a failed one succeeds')
  const script = 'cd "$1" && rm -rf new && chmod 644 old-* && chmod 600 old-0.js && chmod 755 old-1.js && chmod 640 deleted-0.js && chmod 444 deleted-1.js'
  const { code, stderr } = await own.run(['sh', '-c', script, 'sh', `${own.facts.account.home}/extension`])
  if (code !== 0) throw new Error(stderr)
}

/** Pushes while a program of the session lies in wait for its writer; resolves with how many files it found in place. */
async function pushKilledAt (server: Server, session: CreatedSession, own: Inside, wanted: number, content: string): Promise<{ status: number, code?: string, placed: number | null, ms: number }> {
  const killer = own.start(pythonArgv('kill-writer.py', wanted, WRITTEN))
  let errors = ''
  killer.stderr.on('data', chunk => { errors += chunk })
  const lines = createInterface(killer.stdout)[Symbol.asyncIterator]()
  const read = async () => {
    const line = await lines.next()
    if (line.done) throw new Error(`the killer ended: ${errors}`)
    return line.value
  }
  await read()
  const startedAt = performance.now()
  const answer = await pushCode(server, { sessionId: session.id, files: tenFiles(content) })
  const ms = Math.round(performance.now() - startedAt)
  const { code } = await answer.json() as { code?: string }
  killer.stdin.end()
  return { status: answer.status, ...(code !== undefined && { code }), placed: JSON.parse(await read()), ms }
}

t.test('a push of ten files whose writer is killed between them leaves contents, permissions and version as before by the time of its answer', async t => {
  const random = newRandom()
  const server = await serve(t, lightDisplay())
  const session = await createSession(server)
  const own = await inside(t, server, session)
  const landed = new Map<number, number>()
  for (let kill = 0, tries = 0; kill < KILLS && tries < KILLS * 4; tries++) {
    await restore(t, server, session, own)
    const before = await listCode(own)
    const version = await versionOf(server, session)
    const { status, code, placed, ms } = await pushKilledAt(server, session, own, random.below(WRITTEN), `// pushed at try ${tries}`)
    const after = await listCode(own)
    if (placed === null) {
      t.equal(after.includes('new/folder-0'), !after.includes('deleted-0.js'), 'a push that was over by then is seen as a whole')
      continue
    }
    kill++
    landed.set(placed, (landed.get(placed) ?? 0) + 1)
    t.match({ status, code }, { status: 502, code: 'EX10_WRITER_FAILED' }, `killed with ${placed} of ${WRITTEN} files in place, answered after ${ms} ms`)
    t.equal(after, before, 'contents and permissions are as before, and no temporary file is left')
    t.equal(await versionOf(server, session), version, 'and so is the version')
  }
  t.comment('files in place when the writer was killed: times', Object.fromEntries([...landed].sort()))
  const between = [...landed].reduce((sum, [placed, times]) => sum + (placed > 0 ? times : 0), 0)
  t.ok(between >= KILLS / 3, `control: ${between} kills came between two files`)
  tally(t, 'faults', between, random.seed)

  t.equal((await pushCode(server, { sessionId: session.id, files: tenFiles('// at last') })).status, 200, 'left alone, the push is done')
  t.match(await listCode(own), /new\/folder-1\/3\.js/)
  await assertAudited(t, server)
  t.equal((await endSession(server, session.id)).status, 200)
  await assertEndsClean(t, server)
})
