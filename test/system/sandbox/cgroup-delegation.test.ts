import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { delegate } from '#system/sandbox/cgroup-delegation.ts'
import { textNow } from '#system/kernel/gone.ts'
import { eventually } from '#support/servers/server.ts'

const ALL = ['memory', 'pids', 'cpu']

interface Group { controllers: string, procs?: string }

/** A v2 hierarchy as files: all that the choice of a group depends on. Only the root of a real one has no cgroup.type. */
function hierarchy (t: Test, groups: Record<string, Group>, isRoot: boolean): string {
  const top = t.testdir({})
  for (const [path, { controllers, procs = '' }] of Object.entries(groups)) {
    const group = join(top, path)
    mkdirSync(group, { recursive: true })
    const files = { 'cgroup.controllers': `${controllers}\n`, 'cgroup.procs': procs, 'cgroup.subtree_control': '', ...(path !== '/' || !isRoot) && { 'cgroup.type': 'domain\n' } }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(group, name), text)
  }
  return top
}

t.test('sessions are limited below the nearest group around the server that can pass all on', async t => {
  const all = 'cpuset cpu io memory pids'
  const cases: Record<string, [groups: Record<string, Group>, membership: string, base: string, controllers?: string[]]> = {
    'a unit of systemd: its slice': [{ '/': { controllers: all, procs: '2\n' }, '/system.slice': { controllers: all }, '/system.slice/a.service': { controllers: all, procs: '1\n' } }, '/system.slice/a.service', '/system.slice'],
    'a login, whose slices have not all: the root': [{ '/': { controllers: all, procs: '2\n' }, '/user.slice': { controllers: 'memory pids' }, '/user.slice/1.scope': { controllers: 'memory pids', procs: '1\n' } }, '/user.slice/1.scope', '/'],
    'the root itself, which may have processes': [{ '/': { controllers: all, procs: '1\n' } }, '/', '/'],
    'where there are not all, the topmost that can': [{ '/': { controllers: 'memory pids', procs: '1\n' }, '/a': { controllers: 'memory' }, '/a/b': { controllers: 'memory', procs: '3\n' } }, '/a/b', '/', ['memory', 'pids']]
  }
  for (const [name, [groups, membership, base, controllers = ALL]] of Object.entries(cases)) {
    const top = hierarchy(t, groups, true)
    t.strictSame(await delegate(top, membership, ALL), { base: resolve(top, `.${base}`), controllers }, name)
    t.equal(readFileSync(join(top, base, 'cgroup.subtree_control'), 'utf8'), controllers.map(controller => `+${controller}`).join(' '))
  }
})

t.test('where there is no group but the server\'s own, as in a container, its processes move to one beside the sessions\'', async t => {
  const top = hierarchy(t, { '/': { controllers: 'memory pids cpu', procs: '7\n' } }, false)
  const delegated = delegate(top, '/', ALL)
  const moved = await eventually('it moves', () => textNow(`${top}/ex10-server/cgroup.procs`))
  writeFileSync(`${top}/cgroup.procs`, '') // as the kernel does
  t.equal(moved, '7')
  t.equal(readFileSync(`${top}/cgroup.subtree_control`, 'utf8'), '', 'nothing is passed on before all have moved')
  t.strictSame(await delegated, { base: top, controllers: ALL })
  t.equal(readFileSync(`${top}/cgroup.subtree_control`, 'utf8'), '+memory +pids +cpu')
})

t.test('without a controller, everything stays as it is', async t => {
  const top = hierarchy(t, { '/': { controllers: 'hugetlb', procs: '1\n' }, '/a': { controllers: '', procs: '2\n' } }, true)
  t.strictSame(await delegate(top, '/a', ALL), { base: join(top, 'a'), controllers: [] })
  t.equal(readFileSync(join(top, 'cgroup.subtree_control'), 'utf8'), '')
  t.notOk(existsSync(join(top, 'ex10-server')))
})
