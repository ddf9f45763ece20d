import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { SPAN } from '#support/servers/span.ts'
import { TEST_DATA } from '#support/servers/server.ts'

/** The images with their layers: a cache for the next run. Containers here belong to tests only. */
const STORAGE = `${TEST_DATA}/containers`
export const GROUP = `ex10t${SPAN}_containers`

/** The container engine: podman, with storage and networks apart from those of the machine's podman. */
export const ENGINE = ['podman', `--root=${STORAGE}`, `--network-config-dir=${STORAGE}/networks`, '--runtime=runc', '--cgroup-manager=cgroupfs']

/** Options that `docker run` does not need: podman sets limits that root may not raise here, and puts groups at the top. */
export const HERE = ['--ulimit=host', `--cgroup-parent=/${GROUP}`]

export async function podman (...args: string[]): Promise<string> {
  const [command = '', ...rest] = [...ENGINE, ...args]
  const { stdout } = await promisify(execFile)(command, rest, { maxBuffer: 64 * 1024 * 1024 })
  return stdout.trim()
}

/** Runs a long command to its end, and resolves with the lines that it printed. Rejects with the last ones when it fails. */
export async function linesOf (argv: string[], { cwd, input }: { cwd?: string, input?: NodeJS.ReadableStream } = {}): Promise<string[]> {
  const [command = '', ...args] = argv
  const child = spawn(command, args, { cwd, stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'close')
  if (input) input.pipe(child.stdin!)
  const lines: string[] = []
  for (const stream of [child.stdout!, child.stderr!]) createInterface(stream).on('line', line => { lines.push(line) })
  const [code] = await ended as [number | null]
  if (code !== 0) throw new Error(`${argv.join(' ')} exited with ${code}:\n${lines.slice(-30).join('\n')}`)
  return lines
}

/** Removes the containers, volumes and groups of an aborted run. The images stay, and layers without a name for 30 days. */
export async function removeContainers (): Promise<void> {
  if (!existsSync(STORAGE)) mkdirSync(STORAGE, { recursive: true, mode: 0o700 })
  await podman('rm', '--all', '--force', '--time=0', '--volumes')
  await podman('volume', 'prune', '--force')
  await podman('image', 'prune', '--force', '--filter=until=720h')
  for (const hierarchy of ['.', ...readdirSync('/sys/fs/cgroup')]) removeGroup(join('/sys/fs/cgroup', hierarchy, GROUP))
  rmSync(`${STORAGE}/networks`, { recursive: true, force: true })
}

function removeGroup (path: string): void {
  if (!existsSync(path)) return
  for (const entry of readdirSync(path, { withFileTypes: true })) if (entry.isDirectory()) removeGroup(join(path, entry.name))
  rmdirSync(path)
}
