import { Agent } from 'node:http'
import { Value } from '@sinclair/typebox/value'
import t from 'tap'
import { CodeUpdate } from '#schemas/code-update.ts'
import { ErrorReply } from '#schemas/common.ts'
import { NewSession } from '#schemas/session.ts'
import { ask } from '#support/servers/client.ts'
import { assertEndsClean, listSessions, serve } from '#support/servers/creation.ts'
import { INSPECTED } from '#support/servers/inspector.ts'
import { lightDisplay } from '#support/display/light-display.ts'
import { IS_LONG } from '#support/servers/long.ts'
import { mutateBody, mutateQuery } from '#support/inputs/mutate-json.ts'
import { newRandom } from '#support/inputs/random.ts'
import { createSession, endSession } from '#support/servers/server.ts'
import { keptMemory } from '#support/servers/server-process.ts'
import { tally } from '#support/servers/tally.ts'

/** Before the memory is first looked at: until then it grows with compiled code and full caches, as it does with any input. */
const WARM_UP = IS_LONG ? 100_000 : 10_000
const BODIES = IS_LONG ? 100_000 : 5000
const QUERIES = IS_LONG ? 10_000 : 1000
const AT_ONCE = 16

/** The body as the server reads it; undefined when it is no JSON. */
function parse (body: string | Buffer): unknown {
  try {
    return JSON.parse(body.toString().replace(/^\ufeff/, ''))
  } catch {
    return undefined
  }
}

t.test('whatever is sent as JSON, or as a query, gets a declared answer, does no more than it says, and costs no memory', async t => {
  const random = newRandom()
  t.comment(`EX10_TEST_SEED=${random.seed}`)
  // its one slot is taken: whatever is let in as a creation is answered with 503, and makes nothing
  const server = await serve(t, { ...lightDisplay(), EX10_SLOTS: '1', ...INSPECTED, EX10_LOG_LEVEL: 'warn' })
  const { id } = await createSession(server)
  const { paths } = await (await fetch(`${server.url}/openapi.json`)).json() as { paths: Record<string, Record<string, { responses: object }>> }
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
  t.teardown(() => agent.destroy())
  const wrong: string[] = []
  const seen = new Map<string, number>()
  let accepted = 0

  /** Asks, and notes what breaks a rule; `isValid` says whether the schema takes it. */
  async function check (method: 'GET' | 'POST', path: string, route: string, body: string | Buffer | undefined, isValid: boolean): Promise<void> {
    const { status, text } = await ask(server, path, { method, body, agent, headers: body === undefined ? {} : { 'content-type': 'application/json' } })
    const { code = '' } = parse(text) as { code?: string } ?? {}
    const key = `${method} ${route} ${status} ${code}`
    seen.set(key, (seen.get(key) ?? 0) + 1)
    const isDeclared = String(status) in paths[route]![method.toLowerCase()]!.responses
    const hasForm = status < 400 || Value.Check(ErrorReply, parse(text))
    const isRefused = isValid || status === 400
    if (!isDeclared || !hasForm || !isRefused) wrong.push(`${key}, ${isValid ? 'valid' : 'not valid'}: ${path} ${body?.toString().slice(0, 300)} -> ${text.slice(0, 300)}`)
    if (status === 200 && route === '/updateCode') accepted++
  }

  async function checkBody (): Promise<void> {
    const sessionId = random.chance(0.7) ? id : random.pick(['0'.repeat(32), id.toUpperCase(), id.slice(1), '__proto__'])
    const forms = [
      { sessionId, filePath: 'a.js', content: 'x' }, { sessionId, code: { file_path: 'lib/b.js', file_content: 'x', file_finished: true } },
      { sessionId, files: [{ filePath: 'c.js', content: 'x' }, { filePath: 'd.png', content: 'eA==', encoding: 'base64' }, { filePath: 'c.js', delete: true }] }
    ]
    if (random.chance(0.6)) {
      const body = mutateBody(random, random.pick(forms))
      return check('POST', '/updateCode', '/updateCode', body, Value.Check(CodeUpdate, parse(body)))
    }
    const body = mutateBody(random, { template: 'vanilla', width: 1280, height: 800 })
    return check('POST', '/sessions', '/sessions', body, body.length === 0 || Value.Check(NewSession, parse(body)))
  }

  async function checkQuery (): Promise<void> {
    // what stands in a URL is text, and numbers are read from it: the schema alone does not tell what is valid
    if (random.chance(0.5)) return check('GET', `/createSession?${mutateQuery(random, 'template=vanilla&width=1280&height=800')}`, '/createSession', undefined, true)
    return check('GET', `/sessions/${id}/logs?${mutateQuery(random, 'source=xpra&tail=200')}`, '/sessions/{id}/logs', undefined, true)
  }

  async function repeat (count: number, work: () => Promise<void>): Promise<void> {
    let left = count
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      while (left-- > 0) await work()
    }))
  }

  await repeat(WARM_UP, checkBody)
  const before = await keptMemory(server)
  const startedAt = performance.now()
  await repeat(BODIES, checkBody)
  await repeat(QUERIES, checkQuery)
  t.comment(`${Math.round(performance.now() - startedAt)} ms`)
  const after = await keptMemory(server)

  for (const [key, count] of [...seen].sort()) t.comment(`${count} ${key}`)
  t.strictSame(wrong.slice(0, 20), [], `no undeclared status, no other form, nothing taken that the schema refuses (${wrong.length} of them)`)
  t.ok([...seen.keys()].some(key => key.includes('/updateCode 200')) && [...seen.keys()].some(key => key.includes('EX10_TOO_MANY_SESSIONS')), 'some were valid')
  t.strictSame((await listSessions(server)).map(({ id, state, version }) => ({ id, state, version })), [{ id, state: 'ready', version: accepted }], 'there is the one session as before, and each push that was taken is counted')
  t.ok(after < before * 1.05, `what it keeps grew from ${before} to ${after} KiB`)
  tally(t, 'mutated JSON bodies', WARM_UP + BODIES, random.seed)
  tally(t, 'mutated queries', QUERIES, random.seed)
  t.equal((await endSession(server, id)).status, 200)
  await assertEndsClean(t, server)
})
