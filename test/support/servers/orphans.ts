import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, globSync, lchownSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { createAccount, ensureGroup, readAccounts, removeAccount } from '#system/accounts/accounts.ts'
import { removeGroups } from '#system/sandbox/cgroups.ts'
import { CLEAN_ENV } from '#system/kernel/run.ts'
import { eventually, type Server } from './server.ts'

/** One of each class of what a session could leave, made by hand. */
export interface Orphans {
  uid: number
  /** What an audit must say of them, as `kind: name`; those that a repair removes, and those that only a person can. */
  repairable: string[]
  others: string[]
  /** What an audit names as unknown. */
  unknown: string[]
  /** Removes them all, those that are left. */
  remove (): Promise<void>
}

const ZOMBIE = `
import os, sys, time
if os.fork() == 0:
    os.setuid(int(sys.argv[1]))
    print(os.getpid(), flush=True)
    os._exit(0)
time.sleep(1000)`

const LISTEN = `
import socket, sys, time
listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))
print(listener.getsockname()[1], flush=True)
time.sleep(1000)`

/** Plants orphans of the instance: of a session that never was, and a uid that no session has. All or none. */
export async function plantOrphans (server: Server): Promise<Orphans> {
  const undo: (() => unknown)[] = []
  const remove = async () => { for (let revert = undo.pop(); revert; revert = undo.pop()) await revert() }
  try {
    return { ...await plant(server, undo), remove }
  } catch (error) {
    await remove() // or every test after this one would find them
    throw error
  }
}

async function plant (server: Server, undo: (() => unknown)[]): Promise<Omit<Orphans, 'remove'>> {
  const { dataDir, instance, uids: [, uid], ports } = server
  const id = randomBytes(16).toString('hex')
  const name = `ex10_user_${randomBytes(4).toString('hex')}`
  const account = { name, uid, gid: await ensureGroup(), home: `${dataDir}/homes/${name}` }
  const image = `${dataDir}/homes/ex10_user_${randomBytes(4).toString('hex')}.img`
  const folder = `${dataDir}/sessions/${id}`
  const lastPort = ports[1]![1]!
  const repairable: string[] = []
  const others: string[] = []
  const sh = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: 'utf8', env: CLEAN_ENV }).trim()
  const asUid = ['setpriv', `--reuid=${uid}`, '--clear-groups', '--']

  /** Starts a process that lasts; with `hasWord`, waits for its first line. */
  async function started (argv: string[], hasWord = false): Promise<{ pid: number, word: string }> {
    const [command = '', ...args] = argv
    const child: ChildProcess = spawn(command, args, { env: CLEAN_ENV, cwd: '/', stdio: ['pipe', 'pipe', 'inherit'] })
    await once(child, 'spawn')
    undo.push(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    })
    const word = hasWord ? String((await once(child.stdout!, 'data'))[0]).trim() : ''
    return { pid: child.pid!, word }
  }
  const named = async (pid: number, wanted: string) => eventually(`${wanted} runs`, () => sh('ps', '-o', 'comm=', '-p', String(pid)) === wanted)

  await createAccount(account, AbortSignal.timeout(20_000))
  undo.push(async () => { if ((await readAccounts()).has(name)) await removeAccount(account) })
  sh('usermod', '--add-subuids', '5000000-5000009', '--add-subgids', '5000000-5000009', name)
  sh('groupadd', name)
  repairable.push(...['passwd', 'shadow', 'group', 'gshadow', 'subuid', 'subgid'].map(file => `account: ${name} in /etc/${file}`))

  mkdirSync(account.home)
  mkdirSync(`${folder}/logs`, { recursive: true })
  writeFileSync(`${folder}/note`, '')
  writeFileSync(image, '')
  truncateSync(image, 1 << 20)
  undo.push(() => [account.home, folder, image].forEach(path => rmSync(path, { recursive: true, force: true })))
  repairable.push(`home: ${account.home}`, `home: ${image.replace('.img', '')}`, `folder: ${folder}`)

  mkdirSync(`${dataDir}/odd`)
  undo.push(() => rmSync(`${dataDir}/odd`, { recursive: true }))

  const loops = [sh('losetup', '--find', '--show', image), sh('losetup', '--find', '--show', image)].map(path => path.replace('/dev/', ''))
  undo.push(() => sh('losetup', '-j', image).split('\n').filter(Boolean).forEach(line => sh('losetup', '-d', line.split(':')[0]!)))
  const second = loops.map(loop => Number(loop.slice(4))).sort((a, b) => a - b).map(String).sort().at(-1)
  repairable.push(`loop device: of ${image}`, `loop device: /dev/loop${second}, a second one of ${image}`)

  // not at a home: every sandbox that anybody makes meanwhile would have it, too
  const point = `${folder}/mount`
  mkdirSync(point)
  sh('mount', '-t', 'tmpfs', 'tmpfs', point)
  undo.push(() => { if (sh('findmnt', '-n', '-l', '-o', 'TARGET').includes(point)) sh('umount', point) })
  repairable.push(`mount: ${point}`)

  const sleeper = await started([...asUid, 'sleep', '1000'])
  await named(sleeper.pid, 'sleep')
  repairable.push(`process: ${sleeper.pid} sleep of ${uid}`)
  const logger = await started(['s6-log', '-b', 'n3', `${folder}/logs`])
  await named(logger.pid, 's6-log')
  repairable.push(`process: ${logger.pid} s6-log of ${id}`)
  const reader = await started(['tail', '-f', `${folder}/note`])
  await named(reader.pid, 'tail')
  others.push(`process: ${reader.pid} tail of ${id}`)
  let dead = ''
  undo.push(() => eventually('the machine\'s init reaps the zombie', () => !existsSync(`/proc/${dead}`), 30_000)) // when its parent is gone
  const zombie = await started(['python3', '-c', ZOMBIE, String(uid)], true)
  dead = zombie.word
  others.push(`zombie: ${dead} python3`)

  const hidden = await started(['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs tmpfs "$1" && echo up && exec s6-log -b n3 "$1"', 'sh', account.home], true)
  await named(hidden.pid, 's6-log')
  const namespace = sh('readlink', `/proc/${hidden.pid}/ns/mnt`)
  repairable.push(`process: ${hidden.pid} s6-log of ${name}`, `namespace: ${namespace} with the home of ${name}`)
  const holder = await started(['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs tmpfs "$1" && echo up && exec sleep 1000', 'sh', account.home], true)
  repairable.push(`namespace: ${sh('readlink', `/proc/${holder.pid}/ns/mnt`)} with the home of ${name}`)

  const groups = globSync(`/sys/fs/cgroup/**/${instance}`).map(group => `${group}/${id}`)
  undo.push(() => removeGroups(groups, AbortSignal.timeout(5000)))
  for (const group of groups) mkdirSync(group)
  const grouped = await started(['sleep', '1000'])
  for (const group of groups) writeFileSync(`${group}/cgroup.procs`, String(grouped.pid))
  await named(grouped.pid, 'sleep')
  repairable.push(`process: ${grouped.pid} sleep of ${id}`, ...groups.map(group => `cgroup: ${group}`))

  const listener = await started([...asUid, 'python3', '-c', LISTEN, '0'], true)
  await named(listener.pid, 'python3')
  repairable.push(`process: ${listener.pid} python3 of ${uid}`, `listener: ${listener.word} of uid ${uid}`)

  const root = createServer(() => {}).listen(lastPort, '127.0.0.1')
  await once(root, 'listening')
  const caller = connect(lastPort, '127.0.0.1')
  await once(caller, 'connect')
  undo.push(() => { caller.destroy(); root.close() })
  others.push(`connection: ${caller.localPort} to ${lastPort}`)

  if (sh('nft', 'list', 'tables').split('\n').includes(`table inet ${instance}`)) {
    sh('nft', 'add', 'element', 'inet', instance, 'own', `{ ${uid} . ${lastPort} }`)
    undo.push(() => { if (sh('nft', 'list', 'table', 'inet', instance).includes(`${uid} . ${lastPort}`)) sh('nft', 'delete', 'element', 'inet', instance, 'own', `{ ${uid} . ${lastPort} }`) })
    repairable.push(`open port: ${uid} . ${lastPort}`)
  }

  mkdirSync('/tmp/.X11-unix', { recursive: true, mode: 0o1777 })
  const files = [`/tmp/.X11-unix/X${uid}`, `/tmp/.X${uid}-lock`, `/var/tmp/ex10-${uid}`, `/dev/shm/ex10-${uid}`, `/run/ex10-${uid}`]
  const nested = `/tmp/ex10-nested-${uid}`
  undo.push(() => [...files, nested].forEach(path => rmSync(path, { recursive: true, force: true })))
  for (const path of files) {
    writeFileSync(path, '')
    chownSync(path, uid, 0)
  }
  rmSync(nested, { recursive: true, force: true }) // root's, so no server removes what a run left that was broken off
  mkdirSync(nested)
  chmodSync(nested, 0o777)
  symlinkSync('/etc', `${nested}/a link\nof two lines`) // nothing of what it leads to may be touched
  lchownSync(`${nested}/a link\nof two lines`, uid, 0)
  repairable.push(...[...files, `${nested}/a link\nof two lines`].map(path => `file: ${path}`))

  const shm = /\d+/.exec(sh(asUid[0]!, ...asUid.slice(1), 'ipcmk', '-M', '4096'))![0]
  undo.push(() => { if (sh('ipcs', '-m').includes(` ${shm} `)) sh('ipcrm', '-m', shm) })
  repairable.push(`ipc: shm ${shm} of uid ${uid}`)
  const queues = (script: string) => sh('unshare', '--mount', 'sh', '-ec', `mount -t mqueue mqueue /mnt; ${script}`, 'sh', `ex10-${uid}`, String(uid))
  queues('touch "/mnt/$1"; chown "$2" "/mnt/$1"')
  undo.push(() => queues('rm -f "/mnt/$1"'))
  repairable.push(`ipc: message queue ex10-${uid} of uid ${uid}`)

  return { uid, repairable: repairable.sort(), others: others.sort(), unknown: [`folder: ${dataDir}/odd`] }
}
