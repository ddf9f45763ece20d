import type { Test } from 'tap'
import fc from 'fast-check'
import { auditFromServer, CLEAN } from '#support/servers/audit.ts'
import { beginCreation, next, type Creation } from '#support/servers/creation.ts'
import type { Hold } from '#support/display/held-browser.ts'
import { inside } from '#support/sandbox.ts'
import { createSession, endSession, eventually, pushCode, type CreatedSession, type Server } from '#support/servers/server.ts'

/** What a session must be: pushes so far, and what they wrote. */
interface ModelSession { version: number, files: Map<string, string> }
/** The sessions that there must be, oldest first, by the name that the model has for them. */
export interface Model { sessions: Map<number, ModelSession>, made: number }
/** The server, and the sessions that it made for the model's. */
export interface Real { t: Test, server: Server, browser: Hold, sessions: Map<number, CreatedSession> }

export const SLOTS = 4
const FOLDER = 'model'
/** During which something happens: no further does a creation go that is held. The failpoints stop it exactly at each. */
const STEPS = ['user', 'home', 'sandbox', 'firewall', 'template', 'display', 'browser'] as const
const PATHS = ['a.txt', 'b.txt', 'c/d.txt']

type Command = fc.AsyncCommand<Model, Real>
type Files = { path: string, content: string | null }[]

/** A command: `run` changes the model and the server alike; after each, all that can be asked must be what the model says. */
function command (name: string, canRun: (model: Model) => boolean, run: (model: Model, real: Real) => Promise<void>): Command {
  return {
    check: model => canRun(model),
    run: async (model, real) => {
      await run(model, real)
      await assertAlike(model, real)
    },
    toString: () => name
  }
}

const isAny = (model: Model) => model.sessions.size > 0
const hasRoom = (model: Model) => model.sessions.size < SLOTS
const nth = ({ sessions }: Model, index: number) => [...sessions.keys()][index % sessions.size]!

/** All that is done to a server, in any order. */
export function commands (): fc.Arbitrary<Command>[] {
  const index = fc.nat(SLOTS - 1)
  const step = fc.constantFrom(...STEPS)
  const files = fc.uniqueArray(fc.record({ path: fc.constantFrom(...PATHS), content: fc.option(fc.stringMatching(/^[a-z]{1,8}$/), { freq: 4 }) }), { minLength: 1, selector: ({ path }) => path })
  const creation = fc.constant(command('create', () => true, create))
  return [
    creation, creation, creation, // most commands need a session
    fc.tuple(index, files).map(([index, files]) => command(`push ${JSON.stringify(files)} to ${index}`, isAny, (model, real) => push(model, real, nth(model, index), files))),
    index.map(index => command(`delete ${index}`, isAny, (model, real) => remove(model, real, nth(model, index)))),
    step.map(step => command(`delete during ${step}`, hasRoom, (_, real) => deleteDuring(real, step))),
    step.map(step => command(`client gone during ${step}`, hasRoom, (_, real) => leaveDuring(real, step))),
    fc.constant(command('kill -9 and start', () => true, (_, real) => restart(real, 'SIGKILL'))),
    fc.constant(command('SIGTERM, keep and start', () => true, (_, real) => restart(real, 'SIGTERM'))),
    step.map(step => command(`kill -9 during ${step}`, hasRoom, (_, real) => killDuring(real, step))),
    index.map(index => command(`kill -9 during the delete of ${index}`, isAny, (model, real) => killDuringDelete(model, real, nth(model, index)))),
    fc.tuple(index, files).map(([index, files]) => command(`kill -9 during a push of ${JSON.stringify(files)} to ${index}`, isAny, (model, real) => killDuringPush(model, real, nth(model, index), files))),
    fc.tuple(index, files).map(([index, files]) => command(`side by side: create, push ${JSON.stringify(files)} to all, delete ${index}`,
      model => isAny(model) && hasRoom(model), (model, real) => sideBySide(model, real, nth(model, index), files)))
  ]
}

async function create (model: Model, real: Real): Promise<void> {
  if (hasRoom(model)) return made(model, real, await createSession(real.server))
  const refused = await fetch(`${real.server.url}/createSession`)
  real.t.match([refused.status, await refused.json()], [503, { code: 'EX10_TOO_MANY_SESSIONS' }], 'there is no room for one more')
}

function made (model: Model, real: Real, session: CreatedSession): void {
  const name = model.made++
  model.sessions.set(name, { version: 0, files: new Map() })
  real.sessions.set(name, session)
}

async function push (model: Model, real: Real, name: number, files: Files): Promise<void> {
  const session = model.sessions.get(name)!
  const wanted = answerTo(session, files)
  const answer = await pushCode(real.server, bodyOf(real, name, files))
  apply(session, files)
  real.t.match([answer.status, await answer.json()], wanted, 'a push is taken and counted, or refused')
}

function bodyOf (real: Real, name: number, files: Files): object {
  return { sessionId: real.sessions.get(name)!.id, files: files.map(({ path, content }) => ({ filePath: `${FOLDER}/${path}`, ...content === null ? { delete: true } : { content } })) }
}

/** What is not there cannot be deleted. */
function isRefused (session: ModelSession, files: Files): boolean {
  return files.some(({ path, content }) => content === null && !session.files.has(path))
}

function answerTo (session: ModelSession, files: Files): [number, object] {
  if (isRefused(session, files)) return [400, { success: false, code: 'EX10_PATH_NOT_FOUND' }]
  return [200, { success: true, version: session.version + 1 }]
}

/** All of a push, or none of it. */
function apply (session: ModelSession, files: Files): void {
  if (isRefused(session, files)) return
  session.version++
  for (const { path, content } of files) {
    if (content === null) session.files.delete(path)
    else session.files.set(path, content)
  }
}

async function remove (model: Model, real: Real, name: number): Promise<void> {
  const { status } = await endSession(real.server, real.sessions.get(name)!.id)
  real.t.equal(status, 200, 'a delete is answered')
  model.sessions.delete(name)
}

/** A creation that has come to this step and is not over before `work` is done. */
async function during (real: Real, step: string, work: (creation: Creation) => Promise<void>): Promise<void> {
  real.browser.hold()
  const creation = await beginCreation(real.server)
  await creation.until(step)
  await work(creation)
  real.browser.release()
}

const deleteDuring = (real: Real, step: string) => during(real, step, async creation => {
  const { sessions } = await list(real)
  const { status } = await endSession(real.server, sessions.find(({ state }) => state === 'creating')!.id)
  real.t.equal(status, 200, 'one that is being made can be deleted')
  real.t.match((await creation.end()).at(-1), { status: 'error', data: { code: 'EX10_SESSION_NOT_FOUND' } }, 'and its client hears of it')
})

const leaveDuring = (real: Real, step: string) => during(real, step, async creation => {
  creation.leave()
  await eventually('an end of what nobody waits for', async () => (await list(real)).sessions.every(({ state }) => state === 'ready'), 30_000)
})

async function restart (real: Real, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  await real.server.stop(signal)
  real.server = await next(real.t, real.server)
}

const killDuring = (real: Real, step: string) => during(real, step, async creation => {
  await restart(real, 'SIGKILL')
  await creation.end().catch(() => {}) // broken off
})

async function killDuringDelete (model: Model, real: Real, name: number): Promise<void> {
  const { id } = real.sessions.get(name)!
  const ending = endSession(real.server, id).catch(() => {}) // broken off
  await eventually('an end that began', async () => (await list(real)).sessions.every(session => session.id !== id || session.state !== 'ready'))
  await restart(real, 'SIGKILL')
  await ending
  model.sessions.delete(name)
}

/** All files of it are written, or none, whether the server has lived to count it or not. */
async function killDuringPush (model: Model, real: Real, name: number, files: Files): Promise<void> {
  const session = model.sessions.get(name)!
  const pushing = pushCode(real.server, bodyOf(real, name, files)).catch(() => {}) // broken off
  await restart(real, 'SIGKILL')
  await pushing
  const { version } = (await list(real)).sessions.find(({ id }) => id === real.sessions.get(name)!.id)!
  const written = { version, files: new Map(session.files) }
  apply(written, files)
  const found = await filesOf(real, name)
  const isWritten = JSON.stringify(found) === JSON.stringify(linesOf(written))
  real.t.ok(version === session.version || (version === session.version + 1 && isWritten), 'a push that is counted is written')
  if (isWritten) session.files = written.files
  session.version = version
}

async function sideBySide (model: Model, real: Real, removed: number, files: Files): Promise<void> {
  const others = [...model.sessions.keys()].filter(name => name !== removed)
  const [session] = await Promise.all([createSession(real.server), remove(model, real, removed), ...others.map(name => push(model, real, name, files))])
  made(model, real, session)
}

interface Listed { id: string, state: string, health: string, version: number }

async function list (real: Real): Promise<{ sessions: Listed[] }> {
  return await (await fetch(`${real.server.url}/sessions`)).json() as { sessions: Listed[] }
}

async function assertAlike (model: Model, real: Real): Promise<void> {
  const wanted = [...model.sessions].map(([name, { version }]) => ({ id: real.sessions.get(name)!.id, state: 'ready', health: 'ok', version }))
  const listed = (await list(real)).sessions.map(({ id, state, health, version }) => ({ id, state, health, version }))
  real.t.strictSame(listed, wanted, 'the sessions are those that were made and not ended, oldest first, each with its pushes')
  for (const [name, session] of model.sessions) real.t.strictSame(await filesOf(real, name), linesOf(session), 'its files are what was pushed')
}

function linesOf ({ files }: ModelSession): string[] {
  return [...files].map(([path, content]) => `./${path}:${content}`).sort()
}

/** What the session itself reads. */
async function filesOf (real: Real, name: number): Promise<string[]> {
  const session = await inside(real.t, real.server, real.sessions.get(name)!)
  const { stdout, stderr } = await session.run(['sh', '-c', `cd "$HOME/extension/${FOLDER}" 2>/dev/null && exec grep -r "" .`])
  if (stderr) throw new Error(stderr)
  return stdout.split('\n').filter(Boolean).sort()
}

/** Ends the sessions that there are; then nothing may be left. */
export async function endAll (model: Model, real: Real): Promise<void> {
  for (const name of [...model.sessions.keys()]) await remove(model, real, name)
  real.t.strictSame(await auditFromServer(real.server), CLEAN)
}
