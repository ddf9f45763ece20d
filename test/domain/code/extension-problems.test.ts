import t from 'tap'
import { firstOfEach, problemOfRefusal, problemsOf, type ExtensionInfo } from '#domain/code/extension-problems.ts'

const ID = 'abcdefghijklmnopabcdefghijklmnop'
const OWN = `chrome-extension://${ID}/`
const info = (changes: Partial<ExtensionInfo>): ExtensionInfo => ({ id: ID, manifestErrors: [], runtimeErrors: [], views: [], ...changes })
const thrown = (message: string, file: string, changes: Partial<ExtensionInfo['runtimeErrors'][number]> = {}) => ({
  message, source: OWN + file, contextUrl: 'http://site.test/', stackTrace: [{ url: OWN + file, lineNumber: 3, columnNumber: 7 }], ...changes
})

t.test('an exception names the person\'s own file, line and column, and where it ran', async t => {
  const problems = problemsOf(info({
    runtimeErrors: [
      thrown(`Uncaught Error: ${OWN}x is gone`, 'a%20b.js?x#y'),
      thrown('Uncaught SyntaxError: Unexpected token', 'sw.js', { isServiceWorker: true }),
      thrown('console said so', 'popup.js', { contextUrl: `${OWN}popup.html` })
    ]
  }))
  t.strictSame(problems, [
    { kind: 'uncaught-exception', message: 'Uncaught Error: x is gone', file: 'a b.js', line: 3, column: 7, context: 'content-script' },
    { kind: 'syntax-error', message: 'Uncaught SyntaxError: Unexpected token', file: 'sw.js', line: 3, column: 7, context: 'worker' },
    { kind: 'warning', message: 'console said so', file: 'popup.js', line: 3, column: 7, context: 'page' }
  ])
})

t.test('a worker that threw is told of once, by its exception; one without is told of all the same', async t => {
  const failed = { message: 'Service worker registration failed. Status code: 15', manifestKey: 'background', manifestSpecific: 'sw.js' }
  const told = problemsOf(info({ manifestErrors: [failed], runtimeErrors: [thrown('Uncaught Error: x', 'sw.js', { isServiceWorker: true })] }))
  t.strictSame(told.map(({ kind, context }) => [kind, context]), [['uncaught-exception', 'worker']])
  t.match(problemsOf(info({ manifestErrors: [failed] })), [{ kind: 'uncaught-exception', file: 'sw.js', context: 'worker', message: /did not start/ }])
})

t.test('a rule that is refused names its file, and Chromium\'s warnings are warnings', async t => {
  const problems = problemsOf(info({
    manifestErrors: [
      { message: 'Unrecognized manifest key \'foo\'.', manifestKey: 'foo' },
      { message: 'rules/r.json: Rule with id 2 couldn\'t be parsed.', manifestKey: 'declarative_net_request', manifestSpecific: 'rule_resources' }
    ]
  }))
  t.match(problems, [{ kind: 'refused-rule', file: 'rules/r.json' }, { kind: 'warning', file: 'manifest.json' }], 'errors come first')
})

t.test('a refusal is in Chromium\'s words, without the session\'s folders', async t => {
  t.strictSame(problemOfRefusal('Manifest is not valid JSON.  EOF at line 2 column 5', '/home/x/extension'),
    { kind: 'manifest-error', message: 'Manifest is not valid JSON.  EOF at line 2 column 5', file: 'manifest.json', line: 2, column: 5, context: 'manifest' })
  t.match(problemOfRefusal('Could not load javascript \'gone.js\' for script.', '/h'), { kind: 'missing-file' })
  t.equal(problemOfRefusal('no /home/x/extension/a.png in /home/x/extension', '/home/x/extension').message, 'no a.png in ')
})

t.test('the same problem in many tabs is one, and there are fifty at most', async t => {
  const problem = { kind: 'warning' as const, message: 'x' }
  t.strictSame(firstOfEach([problem, { ...problem }]), [problem])
  t.equal(firstOfEach(Array.from({ length: 80 }, (_, index) => ({ ...problem, message: String(index) }))).length, 50)
})
