// Prometheus for the tests, from Debian's package. It is unpacked and not installed: installed, it would run as a service of this machine.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Unpacks `prometheus` and `promtool` into `folder`, unless they are there. Returns an error line, or nothing on success. */
export function unpackPrometheus (folder) {
  if (existsSync(folder)) return
  console.log('Unpacking Debian\'s Prometheus')
  const made = `${folder}.new`
  rmSync(made, { recursive: true, force: true })
  mkdirSync(made, { recursive: true, mode: 0o755 })
  const run = (command, ...args) => spawnSync(command, args, { cwd: made, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
  const download = () => run('apt-get', '-qq', '-o', 'APT::Sandbox::User=root', 'download', 'prometheus')
  const isThere = download() || (run('apt-get', 'update', '-qq') && download())
  const [file = ''] = readdirSync(made)
  if (!isThere || !run('dpkg-deb', '--extract', file, 'root')) return '"apt-get download prometheus" failed: see its message above; check the network and the package sources, then try again'
  for (const name of ['prometheus', 'promtool']) renameSync(join(made, 'root/usr/bin', name), join(made, name))
  for (const name of [file, 'root']) rmSync(join(made, name), { recursive: true })
  renameSync(made, folder)
}
