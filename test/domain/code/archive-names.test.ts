import t from 'tap'
import { archivePaths } from '#domain/code/archive-names.ts'
import { HOSTILE_PATHS } from '#support/inputs/hostile-paths.ts'

/** Entries as they are named; a folder's name ends with a slash. */
const entries = (...names: string[]) => names.map(name => ({ name, isFolder: name.endsWith('/') }))

t.test('files go where they are named, folders only hold them, and what programs put beside is left out', async t => {
  t.strictSame(archivePaths(entries('manifest.json', 'a/', 'a/b.js', './c.js', './', '.DS_Store', 'a/.DS_Store', '__MACOSX/a/._b.js', '.git/HEAD', 'lib/.git/HEAD', '.gitignore', '_locales/en/messages.json', '_metadata/verified_contents.json')),
    ['manifest.json', undefined, 'a/b.js', 'c.js', undefined, undefined, undefined, undefined, undefined, undefined, '.gitignore', '_locales/en/messages.json', undefined])
})

t.test('a folder around everything is taken away if an extension or a project begins in it', async t => {
  t.strictSame(archivePaths(entries('my-extension/', 'my-extension/manifest.json', 'my-extension/js/a.js', '__MACOSX/my-extension/._a.js')), [undefined, 'manifest.json', 'js/a.js', undefined])
  t.strictSame(archivePaths(entries('repository-main/package.json', 'repository-main/src/manifest.json')), ['package.json', 'src/manifest.json'])
  for (const names of [['a/a.js', 'a/b.js'], ['a/manifest.json', 'b.js'], ['a/manifest.json', 'package.json'], ['a/b/manifest.json', 'a/c.js'], ['a/manifest.json', 'ab/x.js']]) t.strictSame(archivePaths(entries(...names)), names, names.join())
})

t.test('a name that could lead out, or that is no name, refuses the whole, also of a folder', async t => {
  for (const [path, code] of HOSTILE_PATHS.filter(([path]) => !path.endsWith('/'))) {
    for (const name of [path, `${path}/`].filter(name => name !== './' && name !== '/')) {
      t.throws(() => archivePaths([...entries('manifest.json'), { name, isFolder: name.endsWith('/') }]), { code: path.startsWith('/') ? 'EX10_PATH_ABSOLUTE' : `EX10_${code}` }, JSON.stringify(name.slice(0, 50)))
    }
  }
  for (const name of ['/manifest.json', '/etc/passwd', '/']) t.throws(() => archivePaths([...entries('x'), { name, isFolder: name === '/' }]), { code: 'EX10_PATH_ABSOLUTE' }, name)
})

t.test('two names that are the same, or may be read as the same, refuse the whole', async t => {
  for (const [a, b] of [['a.js', 'a.js'], ['a.js', './a.js'], ['a/b.js', 'a//b.js'], ['a b.js', 'a%20b.js'], ['a%20b.js', 'a%2520b.js'], ['a.js', '\uff41.js'], ['\ufb01.js', 'fi.js'], ['e\u0301.js', '\u00e9.js'], ['%61.js', 'a.js']] as const) {
    t.throws(() => archivePaths(entries('manifest.json', a, b)), { code: 'EX10_PATH_REPEATED', statusCode: 400 }, `${a} ${b}`)
  }
  t.strictSame(archivePaths(entries('a.js', 'A.js', 'a/', 'a.jsx')), ['a.js', 'A.js', undefined, 'a.jsx'], 'control: others do not')
})

t.test('an archive without a file is none', async t => {
  for (const names of [[], ['a/'], ['.DS_Store']]) t.throws(() => archivePaths(entries(...names)), { code: 'EX10_BAD_ARCHIVE' }, names.join())
})
