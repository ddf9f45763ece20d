// Installs Ex10 as a service of systemd: sets up all that is missing, and writes the unit, its slice and the file of settings.
// Needs only Node 20. A file of settings that exists is never changed.
//   npm run install-service [-- --dry-run]         --dry-run: only prints the unit
//   npm run install-service -- --uninstall         removes the unit and the slice; settings, data and live sessions stay
//   npm run install-service -- --root DIR          writes below DIR, as for an image of a machine, and sets nothing up
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readSettings } from './settings-file.mjs'

const USAGE = 'usage: npm run install-service -- [--dry-run | --uninstall] [--root DIR]'
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const UNITS = '/etc/systemd/system'
const SETTINGS = '/etc/ex10/ex10.env'
/** Set exactly while systemd runs the machine: sd_booted(3). */
const BOOTED = '/run/systemd/system'

/** Why the command cannot be carried out. */
class Refused extends Error {}

try {
  const { help: isHelp, 'dry-run': isDry, uninstall: isRemoval, root } = options()
  if (isHelp) console.log(USAGE)
  else if (isDry) process.stdout.write(unit())
  else if (process.getuid() !== 0) throw new Refused('root is needed to write units: run this command as root, for example with sudo')
  else if (isRemoval) uninstall(root)
  else install(root)
} catch (error) {
  console.error(error instanceof Refused ? `ex10: ${error.message}` : error.stack)
  process.exitCode = 1
}

function options () {
  const given = () => parseArgs({ options: { help: { type: 'boolean', short: 'h' }, 'dry-run': { type: 'boolean' }, uninstall: { type: 'boolean' }, root: { type: 'string', default: '/' } } }).values
  let values
  try {
    values = given()
  } catch (error) {
    throw new Refused(`${error.message.split(/\.\s/)[0]}\n${USAGE}`)
  }
  if (values['dry-run'] && values.uninstall) throw new Refused(USAGE)
  return values
}

/** The text of the unit, for this folder. */
function unit () {
  if (!/^[\w/.+@-]+$/.test(ROOT)) throw new Refused(`a unit cannot name the folder ${ROOT}: move Ex10 to a folder of plain letters, such as /opt/ex10`)
  return read('ex10.service.in').replaceAll('@FOLDER@', ROOT).replaceAll('@SETTINGS@', SETTINGS)
}

function read (name) {
  return readFileSync(join(ROOT, 'systemd', name), 'utf8')
}

function install (root) {
  const isHere = root === '/'
  const text = unit()
  writeNew(join(root, SETTINGS), read('ex10.env'))
  if (isHere) setUp()
  write(join(root, UNITS, 'ex10.service'), text)
  write(join(root, UNITS, 'ex10.slice'), read('ex10.slice'))
  if (!isHere) return
  if (existsSync(BOOTED)) systemctl('daemon-reload')
  else console.log('systemd does not run this machine now: the unit is there for when it does')
  console.log('\nNext: systemctl enable --now ex10')
}

/** The same set-up as that of `npm start`, with the service's settings. */
function setUp () {
  const { status } = spawnSync(process.execPath, [join(ROOT, 'bin', 'setup.mjs')], { env: { ...process.env, ...readSettings(SETTINGS) }, stdio: 'inherit' })
  if (status !== 0) throw new Refused('the set-up failed, so no unit was written: see the message above, then try again')
}

function uninstall (root) {
  const units = ['ex10.service', 'ex10.slice'].map(name => join(root, UNITS, name))
  if (!existsSync(units[0])) throw new Refused(`there is no ${units[0]}: nothing to remove`)
  const isRunning = root === '/' && existsSync(BOOTED)
  if (isRunning) systemctl('disable', '--now', 'ex10.service')
  for (const path of units) {
    rmSync(path, { force: true })
    console.log(`Removed ${path}`)
  }
  if (isRunning) systemctl('daemon-reload')
  console.log(`Left: ${SETTINGS}, the data folder, and sessions that were kept. The next start goes on with them, "npm start" as well`)
}

function systemctl (...words) {
  const { status, error } = spawnSync('systemctl', words, { stdio: 'inherit' })
  if (status !== 0) throw new Refused(`"systemctl ${words.join(' ')}" failed: ${error?.message ?? 'see its message above'}`)
}

/** Writes a whole file or nothing. */
function write (path, text) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.new`, text, { mode: 0o644 })
  renameSync(`${path}.new`, path)
  console.log(`Wrote ${path}`)
}

/** The file may hold a name of a secret's file, so only root can read it. */
function writeNew (path, text) {
  if (existsSync(path)) return console.log(`Kept ${path}`)
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  writeFileSync(path, text, { mode: 0o600, flag: 'wx' })
  console.log(`Wrote ${path}`)
}
