// The npm cache of the data folder: projects in sessions install packages from it, without the network.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Arguments and environment that make npm keep its downloads in the cache, under the names that sessions use. */
export function npmCache (dataDir) {
  const { EX10_NPM_REGISTRY: registry } = process.env
  return {
    args: [`--cache=${join(dataDir, 'npm-cache')}`, '--logs-max=0'],
    env: { ...process.env, ...registry && { npm_config_registry: registry } }
  }
}

/** Fills the cache with the packages of the projects in `folder`, unless that was done for the same lock files. Returns an error line, or nothing on success. */
export async function fillNpmCache (folder, dataDir) {
  const projects = readdirSync(folder).map(name => join(folder, name)).filter(path => existsSync(join(path, 'package-lock.json')))
  const stamp = join(dataDir, 'npm-cache', '.ex10-projects')
  const wanted = createHash('sha256').update(projects.map(path => readFileSync(join(path, 'package-lock.json'))).join('\0')).digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  console.log('Downloading the packages of the test projects')
  const codes = await Promise.all(projects.map(project => download(project, npmCache(dataDir))))
  if (codes.some(code => code !== 0)) return `"npm ci" failed for a project in ${folder}: see its message above; check the network, then try again`
  writeFileSync(stamp, wanted)
}

/** Downloads the packages of a project by an installation, which is thrown away. */
async function download (project, { args, env }) {
  const copy = mkdtempSync(join(tmpdir(), 'ex10-npm-'))
  try {
    for (const name of ['package.json', 'package-lock.json']) cpSync(join(project, name), join(copy, name))
    const npm = spawn('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...args], { cwd: copy, env, stdio: ['ignore', 'ignore', 'inherit'] })
    return await new Promise(resolve => npm.once('close', resolve).once('error', () => resolve(1)))
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}
