import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { Config, SETTINGS, variableName } from '#config.ts'
import { STEPS } from '#domain/sessions/steps.ts'

const readme = readFileSync('README.md', 'utf8')

t.test('the README lists every setting, by neighbourhood, with its default and meaning, and no other', async t => {
  const rows = (table: string) => [...table.matchAll(/^\| `((?:EX10|OTEL)_[A-Z_]+)` \| (.*?) \| (.*?) \|$/gm)]
    .map(([, name, standard, meaning]) => ({ name, standard, meaning: meaning?.replaceAll('\\|', '|') }))
  const tables = readme.split(/^\| variable .*$/m).slice(1).map(rows)
  t.strictSame(tables, Object.values(SETTINGS).map(settings => Object.entries(settings).map(([key, schema]) => ({
    name: variableName(key),
    standard: typeof schema.default === 'boolean' ? String(Number(schema.default)) : String(schema.default),
    meaning: schema.description
  }))))
  t.strictSame(Object.values(SETTINGS).flatMap(settings => Object.keys(settings)), Object.keys(Config.properties), 'and each is read')
})

t.test('the README shows every step of a creation, in order', async t => {
  const shown = STEPS.map(step => readme.search(new RegExp(`^ ${step} `, 'm')))
  t.notOk(shown.includes(-1), 'each is there')
  t.strictSame(shown, shown.slice().sort((a, b) => a - b), 'in order')
})

/** As links name them. */
function headingsOf (file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, text = '']) => text.toLowerCase().replace(/[^\w -]/g, '').replaceAll(' ', '-'))
}

t.test('the documents link to what exists', async t => {
  for (const file of ['README.md', ...globSync('docs/*.md')]) {
    for (const [, target = '', heading] of readFileSync(file, 'utf8').matchAll(/\]\(([^)#:]*)(?:#([^)]*))?\)/g)) {
      const path = target ? join(dirname(file), target) : file
      t.ok(existsSync(path), `${file}: ${target}`)
      if (heading) t.ok(headingsOf(path).includes(heading), `${file}: ${target}#${heading}`)
    }
  }
})

t.test('every path of the project that the documents name exists', async t => {
  const path = /`((?:src|plugins|test|bin|docs|templates|dev-servers|docker|domain|http|pages|routes|schemas|stores|system)\/[^`\s<>]*)`/g
  const named = ['README.md', ...globSync('docs/*.md')].flatMap(file => [...readFileSync(file, 'utf8').matchAll(path)].map(match => [file, match[1]!] as const))
  t.ok(named.length > 20, 'paths were found')
  for (const [file, name] of named) t.ok(existsSync(name) || existsSync(`src/${name}`), `${file}: ${name}`)
})
