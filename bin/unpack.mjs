// Servers for the tests, from Debian's packages. They are unpacked and not installed: installed, they would run as services of this machine.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'

/** Package -> the files and folders of it that are kept. PostgreSQL finds its own files by their place beside each other. */
const SERVERS = {
  prometheus: ['usr/bin/prometheus', 'usr/bin/promtool'],
  'postgresql-15': ['usr']
}

/** Unpacks each server into a folder of its name below `dataDir`, unless it is there. Returns an error line, or nothing on success. */
export function unpackServers (dataDir) {
  for (const [name, wanted] of Object.entries(SERVERS)) {
    const problem = unpack(name, wanted, join(dataDir, name))
    if (problem) return problem
  }
}

function unpack (name, wanted, folder) {
  if (existsSync(folder)) return
  console.log(`Unpacking Debian's ${name}`)
  const made = `${folder}.new`
  rmSync(made, { recursive: true, force: true })
  mkdirSync(made, { recursive: true, mode: 0o755 })
  const run = (command, ...args) => spawnSync(command, args, { cwd: made, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
  const download = () => run('apt-get', '-qq', '-o', 'APT::Sandbox::User=root', 'download', name)
  const isThere = download() || (run('apt-get', 'update', '-qq') && download())
  const [file = ''] = readdirSync(made)
  if (!isThere || !run('dpkg-deb', '--extract', file, 'root')) return `"apt-get download ${name}" failed: see its message above; check the network and the package sources, then try again`
  for (const path of wanted) renameSync(join(made, 'root', path), join(made, basename(path)))
  for (const name of [file, 'root']) rmSync(join(made, name), { recursive: true })
  renameSync(made, folder)
}
