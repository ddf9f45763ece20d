import { cpSync, existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { Script } from 'node:vm'
import t from 'tap'
import { Bundler } from '#support/code/bundler.ts'

const SECRET = 'open-sesame-7e2a'
const manifestOf = ({ manifest = '' }: { manifest?: string }) => JSON.parse(manifest) as Record<string, any>

t.test('The dev server of the bundled templates keeps the extension equal to its sources', async t => {
  const bundler = await Bundler.start(t, 'typescript')
  const template = Object.fromEntries(['manifest.json', 'content.ts', 'popup.html', 'options.html'].map(name => [name, bundler.source(name)]))
  const withManifest = (from: string, to: string) => template['manifest.json']!.replace(from, to)
  const restore = () => bundler.push(template)

  await t.test('what set-up built is what a session builds: nothing changes when it begins', async t => {
    t.match(await bundler.changes(0), { ok: true, problems: [] })
    t.strictSame(bundler.rewritten(), [])
  })

  await t.test('the manifest, and the names in it, stay the person\'s but for the endings of what must be compiled', async t => {
    const manifest = manifestOf(await bundler.changes(0))
    t.equal(manifest.background.service_worker, 'background.js')
    t.strictSame(manifest.content_scripts[0].js, ['content.js'])
    t.equal(manifest.action.default_popup, 'popup.html')
    t.match(bundler.built('popup.html'), /<script type="module" src="popup\.js">/)
    t.strictSame(readdirSync(`${bundler.home}/build`).sort(), [
      'background.js', 'content.css', 'content.js', 'manifest.json', 'options.css', 'options.html', 'options.js', 'popup.css', 'popup.html', 'popup.js'
    ])
    const commented = `\uFEFF// mine\n${withManifest('"service_worker": "background.ts"', '"service_worker": "background.js"')}`
    await bundler.push({ 'manifest.json': commented })
    t.ok(bundler.built('manifest.json')?.startsWith('// mine\n{\n  "manifest_version": 3,\n'), 'with its comments')
    t.match(bundler.built('manifest.json'), /"service_worker": "background\.js"/, 'a script may have the name that it will have')
    t.match(await restore(), { ok: true, problems: [] })
  })

  await t.test('a change tells whether the extension must be loaded again or only its pages', async t => {
    t.strictSame((await bundler.push({ 'popup.ts': bundler.source('popup.ts') + '\nconsole.log(1)\n' })).changed, ['pages'])
    t.strictSame((await bundler.push({ 'options.css': 'body { margin: 0 }' })).changed, ['pages'])
    t.strictSame((await bundler.push({ 'options.html': template['options.html']!.replace('Options', 'Settings') })).changed, ['pages'])
    t.strictSame((await bundler.push({ 'content.css': '#my-extension { color: red }' })).changed, ['loaded'])
    t.strictSame((await bundler.push({ 'background.ts': bundler.source('background.ts') + '\nconsole.log(1)\n' })).changed, ['loaded'])
    t.strictSame((await bundler.push({ 'settings.ts': bundler.source('settings.ts').replace('Hello', 'Hi') })).changed, ['loaded', 'pages'])
    t.strictSame((await bundler.push({ 'content.ts': `// said\n${template['content.ts']}` })).changed, ['loaded'], 'its source map')
    t.strictSame((await bundler.push({ 'types.ts': 'export interface Unused { a: string }' })).changed, [], 'types only')
    await bundler.push({ 'types.ts': null, ...template })
  })

  await t.test('who waits hears of a change that nobody told about', async t => {
    for (const margin of [1, 2, 3]) { // one of them may coincide with the first build after the start
      const heard = bundler.changes(10_000)
      const writtenAt = performance.now()
      bundler.write({ 'popup.css': `body { margin: ${margin}px }` })
      t.match(await heard, { ok: true, changed: ['pages'] })
      t.comment(`heard after ${Math.round(performance.now() - writtenAt)} ms`)
      await bundler.push({})
    }
  })

  await t.test('scripts without import and export stay scripts: what one declares, the next one can use', async t => {
    await bundler.push({
      'a.ts': 'var shared: string = "x"; function hello (): string { return shared }',
      'b.js': 'with (document) { title = hello() } // as it is',
      'manifest.json': withManifest('"content.ts"', '"a.ts", "b.js", "content.ts"')
    })
    t.match(bundler.built('a.js'), /^(?:"use strict";\n)?var shared = "x";\nfunction hello\(\)/)
    t.equal(bundler.built('b.js'), 'with (document) { title = hello() } // as it is')
    t.match(bundler.built('content.js'), /^"use strict";\n\(\(\) => \{/, 'with an import, it is bundled')
    await bundler.push({ 'a.ts': null, 'b.js': null, ...template })
  })

  await t.test('a script that only code names is built, too', async t => {
    await bundler.push({ 'parts/inject.ts': 'const answer: number = 42\nanswer' })
    t.equal(bundler.built('parts/inject.js'), '"use strict";\nconst answer = 42;\nanswer;')
    const { ok, problems } = await bundler.push({ 'parts/inject.ts': 'import "left-pad"' })
    t.match({ ok, problems }, { ok: true, problems: [{ kind: 'warning', file: 'parts/inject.ts', line: 1 }] }, 'what is wrong with it stops nothing')
    t.match(await bundler.push({ 'parts/inject.ts': null }), { problems: [] })
    t.notOk(existsSync(`${bundler.home}/build/parts`), 'its folder is gone with it')
  })

  await t.test('pictures and styles that a script imports are files of the extension', async t => {
    await bundler.push({
      'img/a.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
      'content.ts': 'import url from "./img/a.svg"; import text from "./own.css?inline"; import "./own.css"; console.log(url, text)',
      'own.css': '.a { background: url(img/a.svg) }'
    })
    t.match(bundler.built('content.js'), /chrome\.runtime\.getURL\("img\/a\.svg"\)[\s\S]*"\.a \{ background: url\(img\/a\.svg\) \}"/)
    t.match(bundler.built('content.css'), /url\(chrome-extension:\/\/__MSG_@@extension_id__\/img\/a\.svg\)/)
    t.strictSame(manifestOf(await bundler.changes(0)).content_scripts[0].css, ['content.css'])
    t.equal(bundler.built('img/a.svg'), bundler.source('img/a.svg'))
    await bundler.push({ 'img/a.svg': null, 'own.css': null, ...template })
  })

  await t.test('what is wrong is told with file, line and column, and the last good build stays', async t => {
    const good = bundler.built('content.js')
    const wrong: [string, Record<string, string>, object][] = [
      ['a syntax error', { 'content.ts': 'let é = 1\nconst b = é é\n' }, { kind: 'syntax-error', message: 'Expected ";" but found "é"', file: 'content.ts', line: 2, column: 13, context: 'build' }],
      ['a missing module', { 'content.ts': 'import "./parts/nope.ts"' }, { kind: 'missing-file', message: 'content.ts: parts/nope.ts does not exist', file: 'content.ts', line: 1, column: 8, context: 'build' }],
      ['a package', { 'content.ts': 'import { format } from "date-fns"\nformat()' }, {
        kind: 'build-error',
        message: 'content.ts imports date-fns: bundled templates have the packages react and react-dom only. Create the session with template=project, which installs others',
        file: 'content.ts',
        line: 1,
        column: 24,
        context: 'build'
      }],
      ['a part of Node.js', { 'content.ts': 'import { readFileSync } from "node:fs"\nreadFileSync("a")' }, { kind: 'build-error', message: 'content.ts imports node:fs, which is a part of Node.js: a browser does not have it', file: 'content.ts', line: 1, column: 30, context: 'build' }],
      ['a script in the manifest', { 'manifest.json': withManifest('content.ts', 'conten.ts') }, { kind: 'missing-file', message: 'manifest.json: conten.ts does not exist', file: 'manifest.json', line: 14, column: 14, context: 'content-script' }],
      ['a broken manifest', { 'manifest.json': withManifest('"version"', 'version') }, { kind: 'manifest-error', message: 'manifest.json is not valid JSON: invalid symbol', file: 'manifest.json', line: 4, column: 3, context: 'manifest' }]
    ]
    for (const [title, files, problem] of wrong) {
      const { ok, changed, problems } = await bundler.push(files)
      t.strictSame({ ok, changed, problem: problems[0] }, { ok: false, changed: [], problem }, title)
      await restore()
    }
    t.equal(bundler.built('content.js'), good)
    t.match(await restore(), { ok: true, problems: [] })
  })

  await t.test('a page whose script is missing is told of, and the extension is built all the same', async t => {
    const { ok, problems } = await bundler.push({ 'popup.html': template['popup.html']!.replace('popup.ts', 'dist/popup.js'), 'options.html': template['options.html']!.replace('options.ts', 'dist/options.js') })
    t.strictSame({ ok, problems }, {
      ok: true,
      problems: [
        { kind: 'missing-file', message: 'options.html: dist/options.js does not exist', file: 'options.html', line: 16, column: 27, context: 'page' },
        { kind: 'missing-file', message: 'popup.html: dist/popup.js does not exist', file: 'popup.html', line: 13, column: 27, context: 'page' }
      ]
    })
    t.match(bundler.built('popup.html'), /src="dist\/popup\.js"/)
    t.match(await restore(), { ok: true, problems: [] })
  })

  await t.test('a project, or no extension at all, is told of in one sentence', async t => {
    t.strictSame((await bundler.push({ 'manifest.json': null })).problems, [{ kind: 'missing-file', message: 'manifest.json does not exist', context: 'manifest' }])
    t.strictSame((await bundler.push({ 'package.json': '{}' })).problems, [{
      kind: 'wrong-template',
      message: 'There is package.json and no manifest.json: this is a project. Create the session with template=project, or push the built folder',
      file: 'package.json',
      context: 'manifest'
    }])
    t.match(await bundler.push({ 'package.json': null, ...template }), { ok: true, problems: [] })
  })

  await t.test('a build reads nothing outside the extension, and says which file names what', async t => {
    const folder = `${bundler.home}/extension`
    writeFileSync(`${bundler.home}/secret.txt`, SECRET)
    for (const name of ['secret.json', 'secret.css', 'secret.js']) writeFileSync(`${bundler.home}/${name}`, `${SECRET} ${name}`)
    const why = 'which is outside the extension: a build reads only the files of the extension. Push that file, too'
    const imports = (path: string, file = 'content.ts') => ({ file, message: `${file} imports ${path}, ${why}` })
    const link = (target: string, name: string) => () => symlinkSync(target, `${folder}/${name}`)
    const cases: [title: string, files: Record<string, string>, problem: object, prepare?: () => void][] = [
      ['an absolute path, as text', { 'content.ts': 'import a from "/etc/passwd?raw"\nconsole.log(a)' }, { ...imports('/etc/passwd'), line: 1, column: 15 }],
      ['an absolute path', { 'content.ts': `import a from "${bundler.home}/secret.json"\nconsole.log(a)` }, imports(`${bundler.home}/secret.json`)],
      ['up and out', { 'content.ts': 'import a from "../secret.txt?inline"\nconsole.log(a)' }, imports('../secret.txt')],
      ['the process\'s own environment', { 'content.ts': 'import a from "/proc/self/environ?raw"\nconsole.log(a)' }, imports('/proc/self/environ')],
      ['an import in a function', { 'content.ts': 'const a = () => import("../secret.js")\nconsole.log(a)' }, imports('../secret.js')],
      ['an import of many', { 'content.ts': 'const a = (name: string) => import("../" + name + ".json")\nconsole.log(a)' }, { file: 'content.ts', message: new RegExp(`${why}$`) }],
      ['require', { 'content.ts': 'const a = require("../secret.json")\nconsole.log(a)' }, imports('../secret.json')],
      ['a page\'s script', { 'popup.ts': 'import a from "/etc/passwd?raw"\nconsole.log(a)' }, imports('/etc/passwd', 'popup.ts')],
      ['a style sheet', { 'content.css': '@import "/etc/passwd";', 'content.ts': 'import "./content.css"' }, { ...imports('/etc/passwd', 'content.css'), line: 1, column: 9 }],
      ['a style sheet, with url()', { 'content.css': '@import url(../secret.css);', 'content.ts': 'import "./content.css"' }, imports('../secret.css', 'content.css')],
      ['a path of tsconfig.json', { 'tsconfig.json': '{ "compilerOptions": { "paths": { "secret": ["../secret.json"] } } }', 'content.ts': 'import a from "secret"\nconsole.log(a)' }, imports('secret')],
      ['a package\'s settings', { 'node_modules/p/package.json': '{ "main": "../../../secret.js" }', 'content.ts': 'import a from "p"\nconsole.log(a)' }, imports('p')],
      ['what tsconfig.json extends', { 'tsconfig.json': '{\n  "extends": "/etc/passwd" }' }, { file: 'tsconfig.json', line: 2, column: 14, message: `tsconfig.json extends /etc/passwd, ${why}` }],
      ['that of what it extends', { 'tsconfig.json': '{ "extends": ["./base"] }', 'base.json': '{ "extends": "../secret.json" }' }, { file: 'base.json', message: `base.json extends ../secret.json, ${why}` }],
      ['a link to a file', { 'content.ts': 'import a from "./link.json"\nconsole.log(a)' }, imports('./link.json'), link('../secret.json', 'link.json')],
      ['a link to a folder', { 'content.ts': 'import a from "./link/secret.txt?raw"\nconsole.log(a)' }, imports('./link/secret.txt'), link('..', 'link')],
      ['a link in place of tsconfig.json', { 'tsconfig.json': '' }, { file: 'tsconfig.json', message: `tsconfig.json is a link to ${bundler.home}/secret.json, ${why}` }, () => {
        rmSync(`${folder}/tsconfig.json`)
        symlinkSync('../secret.json', `${folder}/tsconfig.json`)
      }]
    ]
    for (const [title, files, problem, prepare] of cases) {
      bundler.write(files)
      prepare?.()
      const { ok, problems } = await bundler.changes(0)
      t.equal(ok, false, title)
      t.match(problems[0], { kind: 'build-error', context: 'build', ...problem }, title)
      t.notMatch(JSON.stringify(problems), SECRET, 'no problem quotes the file')
      rmSync(folder, { recursive: true })
      cpSync('templates/typescript/extension', folder, { recursive: true })
      t.match(await bundler.push({}), { ok: true, problems: [] }, 'it heals')
    }
    const { ok, problems } = await bundler.push({
      'tsconfig.json': '{ "extends": "./base", "compilerOptions": { "paths": { "own/*": ["./*"] } } }',
      'base.json': '{ "compilerOptions": { "jsx": "react-jsx" } }',
      'own.json': '"mine"',
      'content.ts': 'import a from "own/own.json"\nimport b from "/own.json?raw"\nconsole.log(a, b, new URL("/etc/passwd", import.meta.url))'
    })
    t.match({ ok, problems: problems.filter(({ kind }) => kind !== 'warning') }, { ok: true, problems: [] }, 'control: what is in the extension is read')
    t.match(bundler.built('content.js'), /"mine"/)
    t.notMatch(bundler.built('content.js'), 'root:', 'a URL is only a URL')
    t.match(await bundler.push({ ...template, 'base.json': null, 'own.json': null, 'tsconfig.json': readFileSync('templates/typescript/extension/tsconfig.json', 'utf8') }), { ok: true, problems: [] })
  })

  await t.test('nothing that is pushed is run', async t => {
    const script = `require('node:fs').writeFileSync('${bundler.home}/run', '')`
    const names = ['postcss.config.cjs', 'postcss.config.js', 'vite.config.js', 'vite.config.ts', 'babel.config.cjs', 'tailwind.config.js', 'esbuild.config.js', 'plugin.cjs']
    const { ok, problems } = await bundler.push({
      ...Object.fromEntries(names.map(name => [name, script])),
      '.postcssrc.js': script,
      'package.json': '{ "postcss": { "plugins": { "./plugin.cjs": {} } }, "babel": { "plugins": ["./plugin.cjs"] }, "browserslist": "ie 6" }',
      'tsconfig.json': '{ "compilerOptions": { "plugins": [{ "name": "./plugin.cjs", "transform": "./plugin.cjs" }] } }',
      'content.css': '@import "./more.css"; a { color: red }',
      'more.css': 'b { color: red }',
      'content.ts': template['content.ts'] + '\nconsole.log("built")\n'
    })
    t.strictSame({ ok, problems }, { ok: true, problems: [] })
    t.match(bundler.built('content.js'), /console\.log\("built"\)/, 'it was built')
    t.match(bundler.built('content.css'), /b \{\s+color: red/, 'and its style')
    t.notOk(existsSync(`${bundler.home}/run`))
  })
})

t.test('React is a file of its own for pages, and inside a content script or worker', async t => {
  const bundler = await Bundler.start(t, 'react')
  t.match(await bundler.changes(0), { ok: true, problems: [] })
  t.strictSame(bundler.rewritten(), [], 'it is as set-up built it')
  t.match(bundler.built('popup.js'), /from "\/packages\/react-dom\/client\.js"/)
  t.ok(bundler.built('packages/react-dom/client.js'))
  const manifest = bundler.source('manifest.json').replace('content.ts', 'content.tsx')
  const { ok, problems } = await bundler.push({
    'manifest.json': manifest, 'content.ts': null, 'content.tsx': 'import { createRoot } from "react-dom/client"\ncreateRoot(document.body).render(<b>hi</b>)'
  })
  t.strictSame({ ok, problems }, { ok: true, problems: [] })
  const text = bundler.built('content.js') ?? ''
  t.ok(text.length > 400_000 && new Script(text), 'it is one classic script')
  t.notOk(/node_modules|ex10/.test(text), 'without a path of where they are installed')
})
