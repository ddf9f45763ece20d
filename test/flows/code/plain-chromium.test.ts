import { isDeepStrictEqual } from 'node:util'
import t, { type Test } from 'tap'
import type { Problem } from '#schemas/problem.ts'
import { holds, readCases, sitesOf, toFolder, type ExtensionCase, type Folder } from '#support/code/extension-cases.ts'
import { ExtensionWatch, type Observation } from '#support/code/extension-observation.ts'
import { startPlainChromium, type Loaded, type PlainChromium } from '#support/code/plain-chromium.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, eventually } from '#support/servers/server.ts'
import { SessionExtension, type Waited } from '#support/code/session-extension.ts'

/** How long both may take until they show what they promise, milliseconds. */
const SHOWN_MS = 4000

interface Bench { plain: PlainChromium, session: SessionExtension, watches: { plain: ExtensionWatch, session: ExtensionWatch } }

/** Has both load the files, side by side, and opens what there is to see. */
async function load ({ plain, session, watches }: Bench, aCase: ExtensionCase, folder: Folder, own: Folder = folder): Promise<{ loaded: Loaded, answer: Waited }> {
  const seeing = { ask: aCase.ask, sites: sitesOf(aCase) }
  const loading = watches.plain.forgetErrors().then(() => plain.load(folder))
  const [loaded, answer] = await Promise.all([
    loading.then(async loaded => {
      if ('id' in loaded) await watches.plain.open(loaded.id, plain.folder, folder, seeing)
      return loaded
    }),
    session.replace(own).then(async answer => {
      const [id = 'none'] = await watches.session.ids()
      if ('id' in await loading) await watches.session.open(id, session.path, own, seeing)
      return answer
    })
  ])
  return { loaded, answer }
}

/** Looks at both until they are the same and show what the case promises, or for four seconds. */
async function look ({ watches }: Bench, aCase: ExtensionCase): Promise<{ right: Observation, own: Observation }> {
  const deadline = performance.now() + SHOWN_MS
  for (;;) {
    const [right, own] = await Promise.all([watches.plain.read(), watches.session.read()])
    if (performance.now() > deadline || (holds(right, aCase.shows) && isDeepStrictEqual(right, own))) {
      await Promise.all([watches.plain.close(), watches.session.close()])
      return { right, own }
    }
  }
}

async function tell (t: Test, { session }: Bench, expected: Partial<Problem>[]): Promise<void> {
  for (const problem of expected) {
    const { message = '', ...place } = problem
    const isTold = (told: Problem) => told.message.includes(message) && holds(told, place)
    await eventually('the problem', async () => (await session.problems()).some(isTold), 5000).catch(() => {}) // and is compared all the same
    const problems = await session.problems()
    t.ok(problems.some(isTold), `the session says: ${JSON.stringify(problem)}`, { problems })
  }
}

async function compare (t: Test, bench: Bench, aCase: ExtensionCase): Promise<void> {
  const folder = toFolder(aCase)
  const before = aCase.before && toFolder(aCase.before)
  if (before) await Promise.all([bench.plain.load(before), bench.session.replace(before)])
  const { loaded, answer } = await load(bench, aCase, folder)
  if ('refused' in loaded) return await compareRefusal(t, bench, aCase, loaded.refused, answer)
  const { right, own } = await look(bench, aCase)
  t.ok(holds(right, aCase.shows), 'plain Chromium shows what is promised', { found: right, wanted: aCase.shows })
  t.strictSame(own, right, 'the session shows the same')
  const { manifestErrors = [], runtimeErrors = [] } = right.extension as { manifestErrors?: string[], runtimeErrors?: string[] }
  t.equal(answer.loaded, !manifestErrors.some(error => error.startsWith('Service worker registration failed')), 'the push answers whether it runs')
  if (manifestErrors.length + runtimeErrors.length === 0 && !aCase.problems) t.strictSame(answer.problems, [], 'and that all is well')
  await tell(t, bench, aCase.problems ?? [])
}

async function compareRefusal (t: Test, bench: Bench, aCase: ExtensionCase, refused: string, answer: Waited): Promise<void> {
  t.ok(holds({ refused }, aCase.shows), 'plain Chromium refuses it', { found: refused, wanted: aCase.shows })
  t.equal(answer.loaded, false, 'the push answers that it does not run')
  t.ok(answer.problems.some(({ kind, message }) => kind !== 'warning' && message.includes(refused)), 'and says why, in Chromium\'s words', { found: answer.problems, wanted: refused })
  t.equal((await bench.watches.session.ids()).length, 1, 'the extension of before goes on')
  await tell(t, bench, aCase.problems ?? [])
}

t.test('What plain Chromium makes of an extension, a session makes of it', async t => {
  const server = await serve(t)
  const [plain, session] = await Promise.all([startPlainChromium(t), createSession(server).then(created => SessionExtension.of(t, server, created))])
  const bench = { plain, session, watches: { plain: await ExtensionWatch.start(plain.devTools), session: await ExtensionWatch.start(session.devTools) } }
  // what an extension was granted once, the next of the same folder has: both begin with the template's
  const first = await plain.load(session.files)
  await bench.watches.plain.open('id' in first ? first.id : '', plain.folder, session.files)
  await bench.watches.plain.close()
  const cases = readCases().filter(({ name }) => name.includes(process.env.EX10_TEST_CASE ?? ''))
  for (const aCase of cases) await t.test(`${aCase.promises} (${aCase.name})`, t => compare(t, bench, aCase))

  await t.test('Three hundred files of messages are one push', t => compare(t, bench, {
    name: 'locales',
    promises: '',
    manifest: { name: '__MSG_name__', default_locale: 'en' },
    files: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`_locales/${i === 0 ? 'en' : `en_${i}`}/messages.json`, '{ "name": { "message": "Named" } }'])),
    shows: { extension: { name: 'Named' } }
  }))

  await t.test('Two extensions that differ in one value do not look the same', async t => {
    const aCase = { name: 'control', promises: '', shows: {} }
    const [right, other] = ['right', 'other'].map(value => new Map([
      ['manifest.json', Buffer.from('{"manifest_version":3,"name":"Control","version":"1","background":{"service_worker":"b.js"}}')],
      ['b.js', Buffer.from(`self.value = '${value}'`)]
    ]))
    await load(bench, aCase, right!, other!)
    const seen = await look(bench, aCase)
    t.match(seen, { right: { worker: { values: { value: 'right' } } }, own: { worker: { values: { value: 'other' } } } })
    t.notSame(seen.own.files, seen.right.files)
  })
})
