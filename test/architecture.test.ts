import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

/** Room -> rooms that it may import. A file of a room may import its own room, except where it says otherwise. */
const MAY_IMPORT: Record<string, string[]> = {
  'src/server': ['src/app', 'src/config', 'src/errors', 'src/log'],
  'src/app': ['plugins', 'src/routes', 'src/config', 'src/http-options'],
  'src/http-options': ['plugins', 'src/config', 'src/validator'],
  'src/routes': ['src/routes', 'src/schemas', 'src/domain', 'src/errors', 'src/version', 'src/display-page', 'src/home-page'],
  plugins: ['src/domain', 'src/system', 'src/schemas', 'src/errors', 'src/config', 'src/version', 'src/display-page', 'src/home-page'],
  'src/display-page': ['src/display-page'],
  'src/home-page': [],
  'src/domain': ['src/domain', 'src/errors'],
  'src/system': ['src/system', 'src/domain', 'src/errors', 'src/display-page'],
  'src/schemas': ['src/schemas', 'src/domain'],
  'src/config': ['src/domain', 'src/errors'],
  'src/errors': [],
  'src/log': [],
  'src/validator': [],
  'src/version': []
}

const files = globSync(['src/**/*.ts', 'plugins/**/*.ts'])

function roomOf (file: string): string {
  const [first = '', second = ''] = file.split('/')
  return first === 'src' ? `src/${second.replace(/\.ts$/, '')}` : first
}

function importsOf (file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/(?:from |import |import\()'([^']+)'/g)].map(match => match[1] ?? '')
}

t.test('imports point one way: a room uses only the rooms below it, and no plugin imports another', async t => {
  t.ok(files.length > 40, 'the files were found')
  for (const file of files) {
    const allowed = MAY_IMPORT[roomOf(file)]
    t.ok(allowed, `${file} is in a known room`)
    for (const name of importsOf(file).filter(name => name.startsWith('.'))) {
      const room = roomOf(join(dirname(file), name))
      t.ok(allowed?.includes(room), `${file} may import ${name}`)
    }
  }
})

t.test('only src/system touches the operating system, and only src/server.ts the environment and the exit', async t => {
  const os = /^node:(child_process|fs|fs\/promises|sqlite|dgram|cluster|worker_threads)$/
  for (const file of files.filter(file => !file.startsWith('src/system/'))) {
    const found = importsOf(file).filter(name => os.test(name))
    t.strictSame(found, [], `${file} leaves the machine to src/system`)
  }
  for (const file of files.filter(file => file !== 'src/server.ts')) {
    t.notMatch(readFileSync(file, 'utf8'), /process\.(env|exit)\b/, `${file} leaves the environment and the exit to src/server.ts`)
  }
})

t.test('no file grows beyond 250 lines', async t => {
  for (const file of files) t.ok(readFileSync(file, 'utf8').split('\n').length <= 250, file)
})
