import { lstatSync, readFileSync } from 'node:fs'
import t from 'tap'
import { listMachine } from '#support/servers/machine.ts'
import { inside } from '#support/sandbox.ts'
import { serve } from '#support/servers/creation.ts'
import { createSession, endSession, pushCode } from '#support/servers/server.ts'

const MIB = 1024 * 1024
const HOME_MIB = 128
const MEMORY_MIB = 1536
const CPU = 1

t.test('a session that fills whatever it can harms only itself', { timeout: 280_000 }, async t => {
  const server = await serve(t, { EX10_HOME_SIZE: String(HOME_MIB), EX10_SESSION_MEMORY: String(MEMORY_MIB), EX10_SESSION_CPU: String(CPU) })
  const sessions = [await createSession(server), await createSession(server)] as const
  const [a, b] = [await inside(t, server, sessions[0]), await inside(t, server, sessions[1])]
  const { home } = a.facts.account
  const push = async (session: { id: string }, content = '// pushed') => {
    const response = await pushCode(server, { sessionId: session.id, filePath: 'content-script.js', content })
    const { code } = await response.json() as { code?: string }
    return [response.status, code]
  }
  const FULL = [507, 'EX10_DISK_FULL']

  await t.test('a home takes what was set, and then no byte more', async t => {
    const [error, bytes] = await a.python('fill.py', 'bytes', home)
    t.equal(error, 'ENOSPC')
    t.ok(bytes > HOME_MIB * MIB / 2 && bytes < HOME_MIB * MIB, `${Math.round(bytes / MIB)} MiB of ${HOME_MIB} beside what was there`)
    t.strictSame(await push(sessions[0], 'x'.repeat(MIB)), FULL, 'a push there is told that the disk is full')
    t.strictSame(await push(sessions[1]), [200, undefined], 'its neighbour takes pushes')
    t.equal((await b.python('fill.py', 'bytes', b.facts.account.home))[0], 'ENOSPC', 'and has the whole of its own home')
    t.match(await b.run(['rm', `${b.facts.account.home}/filler`]), { code: 0 })
    for (const { facts } of [a, b]) t.ok(allocated(facts.account.home) <= HOME_MIB * MIB * 1.01, 'the machine\'s disk lost no more than it was to')
    t.match(await a.run(['rm', `${home}/filler`]), { code: 0 })
    t.strictSame(await push(sessions[0]), [200, undefined], 'with room again, it takes pushes again')
  })

  await t.test('a home takes a number of files, and then no file more', async t => {
    const [error, files] = await a.python('fill.py', 'inodes', home)
    t.equal(error, 'ENOSPC')
    t.ok(files > 1000 && files <= HOME_MIB * MIB / 16384, `${files} files`)
    t.strictSame(await push(sessions[0]), FULL, 'a push there is told that the disk is full')
    t.strictSame(await push(sessions[1]), [200, undefined], 'its neighbour takes pushes')
    t.match(await a.run(['rm', '-r', `${home}/fillers`]), { code: 0 })
    t.strictSame(await push(sessions[0]), [200, undefined], 'with room again, it takes pushes again')
  })

  await t.test('temporary folders and shared memory have a size, and count as the session\'s memory', async t => {
    for (const [folder, limit] of [['/tmp', 512], ['/var/tmp', 64], ['/dev/shm', 512]] as const) {
      const before = memoryOf(a.groups)
      const [error, bytes] = await a.python('fill.py', 'bytes', folder)
      t.equal(error, 'ENOSPC', folder)
      t.ok(bytes > (limit - 16) * MIB && bytes <= limit * MIB, `after ${Math.round(bytes / MIB)} MiB of ${limit}`)
      t.ok(memoryOf(a.groups) - before > (limit - 48) * MIB, 'which are the session\'s memory')
      t.match(await a.run(['rm', `${folder}/filler`]), { code: 0 })
      const [fileError, files] = await a.python('fill.py', 'inodes', folder)
      t.ok(fileError === 'ENOSPC' && files < 65536, `${folder}: ${fileError} after ${files} files`)
      t.match(await a.run(['rm', '-r', `${folder}/fillers`]), { code: 0 })
    }
  })

  await t.test('swap is no way around the memory limit', async t => {
    const swap = valueOf(a.groups, ['memory.memsw.limit_in_bytes', 'memory.swap.max']) // of v1 with the memory, of v2 beside it
    t.ok(swap === MEMORY_MIB * MIB || swap === 0, `${swap} bytes`)
  })

  await t.test('the CPU that it takes is limited, and of the same weight as its neighbour\'s', async t => {
    const used: number = await a.python('spin.py', 4, 2)
    t.ok(used < CPU * 2 * 1.15, `${used} s of CPU in 2 s`)
    t.equal(cpusOf(a.groups), CPU, 'also when the machine is busy')
    t.equal(weightOf(a.groups), weightOf(b.groups))
  })

  await t.test('what it filled is gone with it', async t => {
    await a.python('fill.py', 'bytes', home)
    t.ok(allocated(home) > HOME_MIB * MIB / 2, 'control: it takes room on the machine\'s disk')
    t.equal((await endSession(server, sessions[0].id)).status, 200)
    t.strictSame((await listMachine(server)).filter(line => line.includes(a.facts.account.name)), [], 'neither its image nor its loop device is left')
    t.equal((await (await fetch(`${server.url}/sessions/${sessions[1].id}`)).json() as { state: string }).state, 'ready', 'the neighbour is there')
  })
})

/** What a home's image takes of the disk. */
function allocated (home: string): number {
  return lstatSync(`${home}.img`).blocks * 512
}

/** What a file of one of the session's groups says, of cgroup v1 or v2. */
function textOf (groups: string[], names: string[]): string {
  for (const path of groups.flatMap(group => names.map(name => `${group}/${name}`))) {
    try {
      return readFileSync(path, 'utf8').trim()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error // another hierarchy's
    }
  }
  throw new Error(`no ${names}`)
}

function valueOf (groups: string[], names: string[]): number {
  return Number(textOf(groups, names))
}

function cpusOf (groups: string[]): number {
  const [quota, period = textOf(groups, ['cpu.cfs_period_us'])] = textOf(groups, ['cpu.max', 'cpu.cfs_quota_us']).split(' ')
  return Number(quota) / Number(period)
}

const memoryOf = (groups: string[]) => valueOf(groups, ['memory.usage_in_bytes', 'memory.current'])
const weightOf = (groups: string[]) => valueOf(groups, ['cpu.shares', 'cpu.weight'])
