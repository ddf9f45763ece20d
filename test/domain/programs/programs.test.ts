import t from 'tap'
import { extensionId } from '#domain/programs/extension-id.ts'
import { dependantsOf, isProgramName, LOG_SOURCES, PROGRAM_NAMES, PROGRAM_STEPS, PROGRAMS, programsOf, type ProgramName } from '#domain/programs/programs.ts'
import type { Template } from '#domain/session.ts'
import { factsOf } from '#support/facts.ts'

const FACTS = factsOf('a'.repeat(32))
const TEMPLATE: Template = { name: 'vanilla', title: '', description: '', dev: ['node', '$STORE/server.mjs', '$PORT', '$ELSE'], sourceDir: 'extension', extensionDir: 'built', kind: 'plain', devServer: 'plain' }
const LAUNCH = { facts: FACTS, template: TEMPLATE, store: '/store', npmRegistry: '' }

t.test('live sessions of other versions and clients know the programs by these names', async t => {
  t.strictSame(PROGRAM_NAMES, ['xvfb', 'xpra', 'browser', 'dev-server'])
  t.strictSame(PROGRAM_STEPS, ['display', 'browser', 'dev-server'])
  t.strictSame(new Set(LOG_SOURCES), new Set(['dev-server', 'xpra', 'browser']))
  t.strictSame([isProgramName('xpra'), isProgramName('toString'), isProgramName('')], [true, false, false])
})

t.test('a program comes after all that it needs, in its step and in the table', async t => {
  const isBefore = (one: ProgramName, other: ProgramName) => PROGRAM_NAMES.indexOf(one) < PROGRAM_NAMES.indexOf(other)
  for (const name of PROGRAM_NAMES) {
    const { needs, step } = PROGRAMS[name]
    for (const needed of needs) {
      t.ok(isBefore(needed, name), `${name} after ${needed}`)
      t.ok(PROGRAMS[needed].needs.every(other => needs.includes(other)), `${name} needs what ${needed} needs`)
    }
    t.ok(programsOf(step.name as Parameters<typeof programsOf>[0]).includes(name), `${name} is started`)
  }
  t.strictSame(dependantsOf('xvfb'), ['xpra', 'browser'], 'they end with the X server, and come back in this order')
  t.strictSame(dependantsOf('browser'), [])
})

t.test('a session is no use without its display and browser, but waits for a dev server', async t => {
  t.strictSame(PROGRAM_NAMES.filter(name => PROGRAMS[name].isVital), ['xvfb', 'xpra', 'browser'])
})

t.test('each has a name that the supervisor\'s file can hold, a title, and an argv of whole words', async t => {
  for (const name of PROGRAM_NAMES) {
    t.match(name, /^[a-z-]+$/)
    t.match(PROGRAMS[name].title, /^[A-Z]/)
    t.notOk(PROGRAMS[name].argv(LAUNCH).some(word => word.includes('\n') || word.includes('undefined')), name)
  }
})

t.test('a dev server gets its port and its store, and the registry only if there is one', async t => {
  const { argv, env } = PROGRAMS['dev-server']
  t.strictSame(argv(LAUNCH), ['node', '/store/server.mjs', '8003', '$ELSE'])
  t.strictSame(env?.(LAUNCH), {})
  t.strictSame(env?.({ ...LAUNCH, npmRegistry: 'https://npm.example.org' }), { EX10_NPM_REGISTRY: 'https://npm.example.org' })
})

t.test('Chromium starts in developer mode with the icon of the extension that it will load pinned, the X server with a cookie', async t => {
  const files = new Map(PROGRAM_NAMES.flatMap(name => PROGRAMS[name].files?.(LAUNCH) ?? []).map(({ path, content }) => [path, content]))
  t.strictSame([...files.keys()], ['.Xauthority', 'profile/Default/Preferences'])
  t.strictSame(JSON.parse(String(files.get('profile/Default/Preferences'))), {
    extensions: { ui: { developer_mode: true }, pinned_extensions: [extensionId(`${FACTS.account.home}/built`)] }
  })
})
