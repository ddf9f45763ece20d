import { spawn } from 'node:child_process'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { eventually, placeOf, type Server } from '#support/servers/server.ts'
import { SPAN } from '#support/servers/span.ts'
import { ENGINE, GROUP, HERE, podman } from './podman.ts'

/** Uids that no test's server has. Containers may share them: none sees the processes of another. */
const FIRST_UID = 300_000 + SPAN * 100_000 + 90_000
const PORT = 3001
const READY_MS = 60_000

export interface Container {
  server: Server
  /** Resolves when the server answers that a session could be created. */
  isReady (): Promise<unknown>
  /** Runs a command in the container, and resolves with what it printed. */
  exec (...argv: string[]): Promise<string>
}

let count = 0

/** The commands of Docker that a document gives, without `docker`. The README has three: to build, to start, and to make the first key. */
export function commandsOf (document: string): string[][] {
  return [...readFileSync(document, 'utf8').matchAll(/^docker (?:[^\n]*\\\n)*[^\n]*$/gm)].map(([command]) => [...command.replaceAll('\\\n', '').matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word).slice(1))
}

/** Starts a container by the README's command or another one, under this name and on a port of its own, and waits until its server is ready. */
export async function start (t: Test, name: string, command?: string[]): Promise<Container> {
  const [, runOfReadme = [], makeKey = []] = commandsOf('README.md')
  const run = command ?? runOfReadme
  const port = PORT + count++
  const named = (words: string[]) => words.map(word => word.replace(/^ex10(?=$|:)/, name).replace(`:${PORT}:`, `:${port}:`))
  const env = { EX10_UID_MIN: String(FIRST_UID), EX10_UID_MAX: String(FIRST_UID + 999), EX10_SLOTS: '24', EX10_HOME_SIZE: '512' }
  const options = [...HERE, ...Object.entries(env).map(([key, value]) => `--env=${key}=${value}`)]
  const [verb = '', ...words] = named(run.slice(0, -1))
  await podman(verb, ...options, ...words, run.at(-1)!)
  t.teardown(() => podman('rm', '--force', '--ignore', '--time=60', '--volumes', name))
  const child = spawn(ENGINE[0]!, [...ENGINE.slice(1), 'logs', '--follow', name], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => { child.kill() })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => { output += chunk })
  const url = `http://127.0.0.1:${port}`
  const isReady = () => eventually(`the container ${name} is ready`, () => fetch(`${url}/ready`).then(({ ok }) => ok, () => false), READY_MS).catch(error => {
    throw new Error(`${error.message}: ${output.slice(-3000)}`)
  })
  await isReady()
  const key = (await podman(...named(makeKey))).split('\n').at(-1)!
  const server: Server = {
    ...placeOf({ EX10_DATA_DIR: '/var/lib/ex10', EX10_INSTANCE: 'ex10', EX10_PORT_BASE: '9000', ...env }),
    url,
    headers: { authorization: `Bearer ${key}` },
    env,
    child,
    output: () => output,
    async stop () {
      await podman('stop', name)
      return Number(await podman('wait', name))
    }
  }
  return { server, isReady, exec: (...argv) => podman('exec', name, ...argv) }
}

/** What containers have left in this test's namespaces, and on the machine: nothing when all have stopped. */
export async function whatIsLeft (): Promise<string[]> {
  await podman('container', 'prune', '--force')
  const processes = readdirSync('/proc').filter(pid => /^\d+$/.test(pid)).flatMap(pid => {
    const text = (file: string) => { try { return readFileSync(`/proc/${pid}/${file}`, 'utf8') } catch { return '' } } // it has ended
    const isOurs = text('cgroup').includes(GROUP) || /^Name:\tconmon$/m.test(text('status'))
    return isOurs && !/^State:\tZ/m.test(text('status')) ? [`process: ${pid} ${text('cmdline').replaceAll('\0', ' ')}`] : []
  })
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter(line => /\/overlay\/[^ ]*\/merged |ex10_user|\/var\/lib\/ex10\//.test(line)).map(line => `mount: ${line}`)
  const loops = globSync('/sys/block/loop*/loop/backing_file').flatMap(file => {
    const image = readFileSync(file, 'utf8').trim()
    return /^(\/var\/lib\/ex10)?\/homes\/ex10_user_|\/volumes\//.test(image) ? [`loop device: ${file} ${image}`] : []
  })
  const groups = globSync(`/sys/fs/cgroup/**/${GROUP}/libpod-*/`).map(path => `cgroup: ${path}`)
  return [...processes, ...mounts, ...loops, ...groups]
}
