import { execFileSync } from 'node:child_process'
import { existsSync, globSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

/** Where an instance may leave something. */
export interface Place {
  dataDir: string
  instance: string
  uids: [number, number]
  ports: number[][]
}

/**
 * Everything on the machine that belongs to the instance, one line a thing: accounts, homes, processes of any owner,
 * listeners, firewall, cgroups, mounts, loop devices, IPC, files, locks and records. Empty when nothing is left.
 */
export async function listMachine (place: Place): Promise<string[]> {
  return [
    ...accounts(place), ...processes(place), ...listeners(place), ...firewall(place), ...cgroups(place),
    ...mounts(place), ...loopDevices(place), ...ipc(place), ...files(place), ...locks(), ...records(place)
  ].sort()
}

const inRange = ([first = 0, last = 0]: number[], value: number) => value >= first && value <= last
const readable = (path: string) => { try { return readFileSync(path, 'utf8') } catch { return '' } } // gone meanwhile

function accounts ({ uids, dataDir }: Place): string[] {
  const names = new Set(readFileSync('/etc/passwd', 'utf8').split('\n').filter(line => {
    const [, , uid, , , home] = line.split(':')
    return inRange(uids, Number(uid)) || home?.startsWith(dataDir)
  }).map(line => line.split(':')[0]))
  return ['passwd', 'shadow', 'group', 'gshadow', 'subuid', 'subgid'].flatMap(file =>
    readFileSync(`/etc/${file}`, 'utf8').split('\n').filter(line => names.has(line.split(':')[0])).map(line => `${file}: ${line.split(':')[0]}`))
}

/** Also root's own processes that serve a session: they name its folder, or are in its cgroup. */
function processes ({ uids, dataDir, instance }: Place): string[] {
  return readdirSync('/proc').filter(name => /^\d+$/.test(name)).flatMap(pid => {
    const status = readable(`/proc/${pid}/status`)
    const ours = /^Uid:\t(.*)$/m.exec(status)?.[1]?.split('\t').some(uid => inRange(uids, Number(uid)))
    const command = readable(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')
    const grouped = readable(`/proc/${pid}/cgroup`).includes(`/${instance}/`)
    const isDead = /^State:\tZ/m.test(status) // until its parent has reaped it, which for some is the machine's init
    return !isDead && (ours || grouped || command.includes(`${dataDir}/`)) ? [`process: ${pid} ${/^Name:\t(.*)$/m.exec(status)?.[1]} of ${/^Uid:\t(\d+)/m.exec(status)?.[1]} ${command}`] : []
  })
}

function listeners ({ ports }: Place): string[] {
  return ['tcp', 'tcp6'].flatMap(file => readFileSync(`/proc/net/${file}`, 'utf8').split('\n').slice(1).flatMap(line => {
    const [, local = '', , state, , , , uid] = line.trim().split(/\s+/)
    const port = parseInt(local.split(':')[1] ?? '', 16)
    return state === '0A' && ports.some(range => inRange(range, port)) ? [`listener: ${file} ${port} of ${uid}`] : []
  }))
}

function firewall ({ instance }: Place): string[] {
  const tables = execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }).split('\n').filter(line => line === `table inet ${instance}` || line === `table inet ${instance}.traffic`)
  const rules = ['iptables-legacy-save', 'ip6tables-legacy-save'].flatMap(save => execFileSync(save, { encoding: 'utf8' }).split('\n'))
  return [...tables, ...rules.filter(line => line.includes(` ${instance}-`) || line.startsWith(`:${instance}-`))]
}

function cgroups ({ instance }: Place): string[] {
  return globSync([`/sys/fs/cgroup/**/${instance}`, `/sys/fs/cgroup/**/${instance}/*/`]).map(path => `cgroup: ${path}`)
}

function mounts ({ dataDir }: Place): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter(line => line.includes(`${dataDir}/`)).map(line => `mount: ${line}`)
}

function loopDevices ({ dataDir }: Place): string[] {
  return globSync('/sys/devices/virtual/block/loop*/loop/backing_file').map(readable).filter(path => path.includes(`${dataDir}/`)).map(path => `loop device: ${path.trim()}`)
}

function ipc ({ uids }: Place): string[] {
  return ['shm', 'sem', 'msg'].flatMap(kind => {
    const [head = '', ...rows] = readFileSync(`/proc/sysvipc/${kind}`, 'utf8').trimEnd().split('\n')
    const column = head.trim().split(/\s+/).indexOf('uid')
    return rows.filter(row => inRange(uids, Number(row.trim().split(/\s+/)[column]))).map(row => `${kind}: ${row}`)
  })
}

/** What stands in the data folder beside the registry, and what the uids own elsewhere. */
function files ({ dataDir, uids }: Place): string[] {
  const below = ['homes', 'sessions'].flatMap(folder => globSync(`${dataDir}/${folder}/*`))
  const elsewhere = ['/tmp', '/var/tmp', '/dev/shm', '/run', '/run/lock', '/var/mail', '/tmp/.X11-unix'].filter(existsSync)
    .flatMap(folder => readdirSync(folder).map(name => `${folder}/${name}`))
    .filter(path => inRange(uids, lstatSync(path, { throwIfNoEntry: false })?.uid ?? -1))
  return [...below, ...elsewhere].map(path => `file: ${path}`)
}

/** Locks of nobody who lives: another server's useradd is not ours. */
function locks (): string[] {
  const paths = globSync('/etc/{passwd,shadow,group,gshadow,subuid,subgid}.lock')
  const isHeld = (path: string) => existsSync(`/proc/${parseInt(readable(path))}`)
  return paths.filter(path => !isHeld(path) && existsSync(path)).map(path => `lock: ${path}`) // it may have gone meanwhile
}

function records ({ dataDir }: Place): string[] {
  if (!existsSync(`${dataDir}/registry.db`)) return []
  const database = new DatabaseSync(`${dataDir}/registry.db`, { readOnly: true })
  try {
    return database.prepare("SELECT id, state FROM sessions WHERE state NOT IN ('ended', 'failed')").all().map(row => `record: ${row.id} ${row.state}`)
  } finally {
    database.close()
  }
}
