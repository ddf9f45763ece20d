import type { ErrorName } from '#errors.ts'

/** Every percent-encoding of `..` that a decoder further back might undo, single and double. */
const DOTS = ['..', '%2e%2e', '%2E%2E', '%2e.', '.%2e', '%2E.', '.%2E', '%252e%252e', '%252e.', '.%25%32%65', '%25252e%25252e', '%252525252e%252525252e']
/** The same, as UTF-8 that is longer than it need be, or as look-alikes that compatibility forms make plain. */
const ODD_DOTS = ['%c0%ae%c0%ae', '%C0%AE%C0%AE', '%c0%ae.', '.%c0%ae', '%25c0%25ae%25c0%25ae', '\uff0e\uff0e', '\uff0e.', '.\uff0e', '\u2024\u2024', '\u2025']
const SLASHES = ['%2f', '%2F', '%252f', '%25252F', '%c0%af', '%25c0%25af', '\uff0f']

const traversals = [
  ...DOTS.flatMap(dots => [dots, `${dots}/x.js`, `a/${dots}/x.js`, `a/b/${dots}`]),
  ...ODD_DOTS.flatMap(dots => [`${dots}/x.js`, `a/${dots}/${dots}/x.js`]),
  ...SLASHES.flatMap(slash => [`..${slash}x.js`, `a${slash}..${slash}..${slash}x.js`]),
  '../../../../../../etc/passwd', '..//x.js', 'a//../x.js', '.', '././x.js', './../x.js', './%2e/x.js', '/./x.js', '/../x.js', '/%2e%2e/x.js', '/a/../x.js', 'a/.', 'a/./b.js', '%2e', '%2e/x.js', 'a/%2e/b.js', '%252e/x.js', '\uff0e/x.js',
  './', '../', 'a/../', '.%2f', '..%2f..%2f..%2fetc%2fshadow'
]

/** Places that an attacker would like to write to, from outside the extension and from the root. */
const TARGETS = ['etc/passwd', 'etc/cron.d/x', 'root/.ssh/authorized_keys', 'proc/self/mem', 'proc/sys/kernel/core_pattern', 'dev/shm/x', 'run/ex10/node', 'tmp/.X11-unix/X10',
  'var/lib/ex10/registry.db', 'sys/fs/cgroup/cgroup.procs', 'usr/bin/python3', 'home/x']
const CLIMBS = ['../', '../../../../', 'x/../../', '..%2f', '%2e%2e/', '%2e%2e%2f', '%252e%252e%252f', '..%c0%af', '\uff0e\uff0e/', 'x/%2e%2e/%2e%2e/']
const ROOTS = ['//', '///', './/', '/%2f', '%2f', '%252f', '\uff0f']

/** Paths that no push may write, and the code that says why. */
export const HOSTILE_PATHS: [path: string, code: ErrorName][] = [
  ...traversals.map(path => [path, 'PATH_TRAVERSAL'] as [string, ErrorName]),
  ...CLIMBS.flatMap(climb => TARGETS.map(target => [climb + target, 'PATH_TRAVERSAL'] as [string, ErrorName])),
  ...ROOTS.flatMap(root => TARGETS.map(target => [root + target, 'PATH_ABSOLUTE'] as [string, ErrorName])),
  ['', 'PATH_EMPTY'], [' ', 'PATH_EMPTY'], ['\t\n', 'PATH_EMPTY'], ['\u00a0', 'PATH_EMPTY'], ['\u3000', 'PATH_EMPTY'],
  ['/', 'PATH_ABSOLUTE'], ['//', 'PATH_ABSOLUTE'], ['//etc/passwd', 'PATH_ABSOLUTE'], ['/C:/x.js', 'PATH_ABSOLUTE'], ['./c:x.js', 'PATH_ABSOLUTE'], ['/c%3a/x.js', 'PATH_ABSOLUTE'],
  ['%2fetc/passwd', 'PATH_ABSOLUTE'], ['%2Fetc%2Fpasswd', 'PATH_ABSOLUTE'], ['%252fetc/passwd', 'PATH_ABSOLUTE'],
  ['%c0%afetc/passwd', 'PATH_ABSOLUTE'], ['\uff0fetc/passwd', 'PATH_ABSOLUTE'], ['C:/x.js', 'PATH_ABSOLUTE'], ['c:x.js', 'PATH_ABSOLUTE'], ['c%3a/x.js', 'PATH_ABSOLUTE'],
  ['\\', 'PATH_BACKSLASH'], ['/\\x.js', 'PATH_BACKSLASH'], ['.\\x.js', 'PATH_BACKSLASH'], ['a\\b.js', 'PATH_BACKSLASH'], ['..\\x.js', 'PATH_BACKSLASH'], ['..\\..\\etc\\passwd', 'PATH_BACKSLASH'], ['\\\\host\\share', 'PATH_BACKSLASH'],
  ['C:\\x.js', 'PATH_BACKSLASH'], ['a%5cb.js', 'PATH_BACKSLASH'], ['..%5C..%5Cx.js', 'PATH_BACKSLASH'], ['a%255cb.js', 'PATH_BACKSLASH'], ['a\uff3cb.js', 'PATH_BACKSLASH'],
  ['\0', 'PATH_NUL'], ['a\0b.js', 'PATH_NUL'], ['x.js\0', 'PATH_NUL'], ['../x.js\0.png', 'PATH_NUL'], ['x.js%00.png', 'PATH_NUL'], ['x.js%2500', 'PATH_NUL'],
  ['x%c0%80.js', 'PATH_NUL'],
  ['\ud800', 'PATH_NOT_TEXT'], ['a/\udc00.js', 'PATH_NOT_TEXT'], ['x\ud83d.js', 'PATH_NOT_TEXT'], ['\udc00\ud800.js', 'PATH_NOT_TEXT'],
  ['a/', 'PATH_IS_DIRECTORY'], ['a/b/', 'PATH_IS_DIRECTORY'], ['a//', 'PATH_IS_DIRECTORY'],
  ['a/'.repeat(2048) + 'b', 'PATH_TOO_LONG'], ['é/'.repeat(1365) + 'ab', 'PATH_TOO_LONG'], ['a'.repeat(256), 'PATH_TOO_LONG'], ['a/' + 'b'.repeat(256) + '/c.js', 'PATH_TOO_LONG'],
  ['é'.repeat(128), 'PATH_TOO_LONG'], ['\u{1f600}'.repeat(64), 'PATH_TOO_LONG'], ['a'.repeat(5_000), 'PATH_TOO_LONG']
]

/** Paths that look odd and are files all the same; beside each, what is written. */
export const GOOD_PATHS: [path: string, written: string][] = [
  ...['a/b.js', 'x.js', '..a/b.js', 'a..b.js', '...', 'a/.../b.js', '.hidden', 'a/.b', '100%.js', '%zz.js', 'a%20b.js', 'ünï.js', '日本/語.js', '\u{1f600}.js',
    'a b.js', ' x.js', 'x.js ', 'ab:c.js', '-rf', '--help', '~/x.js', '$HOME.js', '`id`.js', 'a\nb.js', 'a"b\'.js', '*.js', '\u202egnp.js', 'x.', 'con',
    'a'.repeat(255), 'é'.repeat(127), 'a/'.repeat(2047) + 'ab', '\ufeffx.js'].map(path => [path, path] as [string, string]),
  ['/x.js', 'x.js'], ['./x.js', 'x.js'], ['/a/b.js', 'a/b.js'], ['./a//b.js', 'a/b.js'], ['/etc/passwd', 'etc/passwd'], ['/.hidden', '.hidden'], ['./...', '...'],
  ['a//b.js', 'a/b.js'], ['a///b//c.js', 'a/b/c.js']
]
