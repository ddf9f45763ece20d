import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import access from '#plugins/access/index.ts'
import code from '#plugins/code/index.ts'
import display from '#plugins/display/index.ts'
import http from '#plugins/http/index.ts'
import live from '#plugins/live/index.ts'
import machine from '#plugins/machine/index.ts'
import memory from '#plugins/memory/index.ts'
import operations from '#plugins/operations/index.ts'
import programs from '#plugins/programs/index.ts'
import sessions from '#plugins/sessions/index.ts'
import storage from '#plugins/storage/index.ts'

/** Room -> the rooms that it may import. */
const MAY_IMPORT: Record<string, string[]> = {
  'src/server': ['src/app', 'src/config', 'src/errors', 'src/log', 'src/version'],
  'src/app': ['plugins', 'src/routes', 'src/config', 'src/http'],
  plugins: ['plugins', 'src/http', 'src/schemas', 'src/pages', 'src/system', 'src/stores', 'src/domain', 'src/errors', 'src/config', 'src/version'],
  'src/routes': ['src/routes', 'src/schemas', 'src/pages', 'src/domain', 'src/errors', 'src/version'],
  'src/http': ['src/http', 'src/schemas', 'src/config', 'src/domain', 'src/errors'],
  'src/pages': ['src/pages'],
  'src/system': ['src/system', 'src/stores', 'src/domain', 'src/errors'],
  'src/stores': ['src/stores', 'src/domain', 'src/errors'],
  'src/schemas': ['src/schemas', 'src/domain'],
  'src/domain': ['src/domain', 'src/errors'],
  'src/config': ['src/config', 'src/domain', 'src/errors'],
  'src/errors': [],
  'src/log': [],
  'src/version': []
}

/** Neighbourhoods in order: each uses itself and those before it. A folder '' is the room itself. */
const ORDER: Record<string, string[]> = {
  plugins: ['', 'http', 'machine', 'storage', 'programs', 'live', 'code', 'access', 'operations', 'memory', 'sessions', 'display'],
  'src/domain': ['', 'concurrency', 'http', 'machine', 'storage', 'programs', 'live', 'code', 'access', 'operations', 'memory', 'sessions', 'display'],
  'src/system': ['kernel', 'instance', 'accounts', 'firewall', 'sandbox', 'programs', 'code', 'audit', 'access', 'memory', 'sessions', 'display']
}

const files = globSync(['src/**/*.ts', 'plugins/**/*.ts'])
const textOf = (file: string) => readFileSync(file, 'utf8')

function roomOf (file: string): string {
  const [first = '', second = ''] = file.split('/')
  return first === 'src' ? `src/${second.replace(/\.ts$/, '')}` : first
}

/** The folder of a file in its room: 'machine' of plugins/machine/ports.ts, '' of plugins/config.ts. */
function folderOf (file: string): string {
  const rest = file.slice(roomOf(file).length + 1).split('/')
  return rest.length > 1 ? rest[0]! : ''
}

/** What a file imports by name: packages of Node and of npm. */
function packagesOf (file: string): string[] {
  return importsOf(file).filter(name => !/^[.#]/.test(name))
}

/** The files of ours that a file imports. */
function targetsOf (file: string): string[] {
  return importsOf(file).filter(name => /^\.|^#(?!package\.json)/.test(name)).map(name => {
    if (name.startsWith('.')) return join(dirname(file), name)
    return name.startsWith('#plugins/') ? name.slice(1) : `src/${name.slice(1)}`
  })
}

function importsOf (file: string): string[] {
  return [...textOf(file).matchAll(/(?:from |import |import\()'([^']+)'/g)].map(match => match[1] ?? '')
}

t.test('imports point one way: a room uses only the rooms below it, and no plugin imports another', async t => {
  t.ok(files.length > 200, 'the files were found')
  for (const file of files) {
    const allowed = MAY_IMPORT[roomOf(file)]
    t.ok(allowed, `${file} is in a known room`)
    for (const target of targetsOf(file)) {
      t.ok(allowed?.includes(roomOf(target)), `${file} may import ${target}`)
      if (roomOf(file) === 'plugins' && roomOf(target) === 'plugins') t.match(file, /\/index\.ts$/, `${file} reaches ${target} by app, not by an import`)
    }
  }
})

t.test('an import that leaves its folder begins with the room: #domain/…', async t => {
  for (const file of files) t.strictSame(importsOf(file).filter(name => name.startsWith('../')), [], file)
})

t.test('a neighbourhood uses itself and those before it', async t => {
  for (const file of files.filter(file => ORDER[roomOf(file)])) {
    const order = ORDER[roomOf(file)]!
    const own = order.indexOf(folderOf(file))
    t.ok(own >= 0, `${file} is in a known neighbourhood`)
    for (const target of targetsOf(file).filter(target => roomOf(target) === roomOf(file))) {
      t.ok(order.indexOf(folderOf(target)) <= own, `${file} may import ${target}`)
    }
  }
})

const plugins = files.filter(file => file.startsWith('plugins/') && !file.endsWith('/index.ts'))
const nameOf = (file: string) => /fp\(\w+, \{\s+name: '([\w-]+)'/.exec(textOf(file))?.[1]
/** Decorator -> the file of the plugin that makes it. */
const makers = new Map(plugins.flatMap(file => [...textOf(file).matchAll(/\.decorate\('(\w+)'/g)].map(([, name]) => [name!, file] as const)))

t.test('a plugin declares whatever it uses of other plugins, of its own neighbourhood or an earlier one', async t => {
  t.ok(makers.size > 30, 'the decorators were found')
  for (const file of plugins) {
    const declared = [...(/dependencies: \[([^\]]*)\]/.exec(textOf(file))?.[1] ?? '').matchAll(/'([\w-]+)'/g)].map(match => match[1])
    const used = new Set([...textOf(file).matchAll(/\b(?:app|fastify|instance|server)\.(\w+)/g)].map(match => match[1]!).filter(name => makers.has(name) && makers.get(name) !== file))
    for (const name of used) {
      const maker = makers.get(name)!
      t.ok(declared.includes(nameOf(maker)), `${file} declares ${nameOf(maker)}, since it uses app.${name}`)
      t.ok(ORDER.plugins!.indexOf(folderOf(maker)) <= ORDER.plugins!.indexOf(folderOf(file)), `${file} may use app.${name} of ${maker}`)
    }
    for (const name of declared) t.ok(plugins.some(plugin => nameOf(plugin) === name), `${file}: ${name} is a plugin`)
  }
})

t.test('a plugin reads top-down: options, state and what it offers come before its functions', async t => {
  for (const file of plugins) {
    const body = /^async function \w+ \(app[^]*?^}/m.exec(textOf(file))?.[0] ?? ''
    const [offers, functions] = [body.search(/^ {2}app\.decorate\(/m), body.search(/^ {2}(?:async )?function\b/m)]
    t.ok(offers < 0 || functions < 0 || offers < functions, file)
  }
})

t.test('every plugin is registered, in the index of its neighbourhood', async t => {
  const registered = { http, machine, storage, programs, live, code, access, operations, memory, sessions, display }
  t.strictSame(['', ...Object.keys(registered)], ORDER.plugins)
  for (const [folder, list] of Object.entries(registered)) {
    const own = plugins.filter(file => folderOf(file) === folder && !file.endsWith('/api-docs.ts')) // app.ts registers it behind the plugins whose hooks it needs
    t.equal(list.length, own.length, folder)
  }
})

t.test('only src/system and src/stores touch the operating system, and only src/server.ts the environment and the exit', async t => {
  const os = /^node:(child_process|fs|fs\/promises|sqlite|dgram|cluster|worker_threads)$/
  for (const file of files.filter(file => !file.startsWith('src/system/'))) {
    const found = packagesOf(file).filter(name => os.test(name) && !(file.startsWith('src/stores/') && name !== 'node:child_process'))
    t.strictSame(found, [], `${file} leaves the machine to src/system`)
  }
  for (const file of files.filter(file => file !== 'src/server.ts')) {
    t.notMatch(textOf(file), /process\.(env|exit)\b/, `${file} leaves the environment and the exit to src/server.ts`)
  }
})

/** What this machine owes to its sessions is in SQLite, whatever EX10_STORE says. */
const OWN_RECORDS = ['plugins/machine/registry.ts', 'src/system/audit/records.ts', 'src/system/instance/claims.ts']

t.test('stores are opened by src/stores/index.ts, in the backend that EX10_STORE names', async t => {
  for (const file of files.filter(file => !file.startsWith('src/stores/') && !OWN_RECORDS.includes(file))) {
    t.strictSame(importsOf(file).filter(name => name === 'node:sqlite' || /^#stores\/(?!index\.ts|backend\.ts)/.test(name)), [], file)
  }
})

/** `temporary_data` is never written to a disk, so nothing of it is sealed. */
const IN_MEMORY = ['plugins/memory/state.ts']

t.test('what outlives a request is sealed: only plugins/storage opens records and blobs, and hands them out as app.records and app.blobs', async t => {
  for (const file of files.filter(file => file.startsWith('plugins/') && file !== 'plugins/storage/storage.ts')) {
    t.notMatch(textOf(file), /\bopenRecords\b|\bopenBlobs\b/, file)
    if (!IN_MEMORY.includes(file)) t.notMatch(textOf(file), /\bUNSEALED\b/, file)
  }
})

t.test('only src/system/instance/data-folder.ts names what is in the data folder', async t => {
  for (const file of [...files, 'bin/admin.mjs', 'bin/audit.mjs', 'bin/backup.mjs', 'bin/keys.mjs', 'bin/restore.mjs'].filter(file => !file.endsWith('instance/data-folder.ts'))) {
    t.notMatch(textOf(file), /join\([^)]*dataDir|\bdataDir\}?\/|'[a-z-]+\.db'/, file)
  }
})

t.test('no file grows beyond 250 lines, and no folder beyond 20 files', async t => {
  for (const file of files) t.ok(textOf(file).split('\n').length <= 250, file)
  const folders = Map.groupBy(globSync(['src/**/*.{ts,js,py,sh,css}', 'plugins/**/*.ts']), dirname)
  for (const [folder, { length }] of folders) t.ok(length <= 20, `${folder}: ${length} files`)
})

t.test('a test starts servers so that their end is checked', async t => {
  const flows = globSync('test/flows/**/*.test.ts')
  t.ok(flows.length > 50, 'the tests were found')
  for (const file of flows) t.notMatch(textOf(file), /\blaunch\b.*#support/, `${file} uses serve, next or refusalOf of #support/servers/creation.ts`)
})
