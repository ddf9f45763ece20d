import { spawn } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { kill, processesOf } from '#system/kernel/processes.ts'
import { CLEAN_ENV } from '#system/kernel/run.ts'
import { DevTools } from '#support/display/devtools.ts'
import type { Folder } from './extension-cases.ts'
import { eventually } from '#support/servers/server.ts'
import { SPAN } from '#support/servers/span.ts'

/** Beyond the uids of this span's servers: no process of another has it. */
const UID = 300_000 + SPAN * 100_000 + 99_000

/** A session's browser without what only saves memory, and without a screen. */
const ARGV = ['--headless=new', '--remote-debugging-port=0', '--no-first-run', '--no-default-browser-check', '--window-size=1280,800',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic', '--disable-breakpad', 'about:blank']

/** An extension's id, or the words with which Chromium refuses it. */
export type Loaded = { id: string } | { refused: string }

/** A Chromium of the same version as a session's, on a new profile, without anything of ours: what it does is right. */
export interface PlainChromium {
  devTools: DevTools
  /** The one folder that it loads. */
  folder: string
  /**
   * Has the folder hold these files and no others, and loads it, as a person does on chrome://extensions after each
   * change. When Chromium refuses it, the one before goes on.
   */
  load (files: Folder): Promise<Loaded>
}

/** Starts it for as long as the test runs. No process of it and no file stays. */
export async function startPlainChromium (t: Test): Promise<PlainChromium> {
  const home = mkdtempSync(join(tmpdir(), 'ex10-plain-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true, maxRetries: 3 }))
  const devTools = await startBrowser(t, home)
  const folder = join(home, 'extension')
  let loaded: string | undefined
  return {
    devTools,
    folder,
    async load (files) {
      write(folder, files)
      try {
        const { id } = await devTools.send('Extensions.loadUnpacked', { path: folder }) as { id: string }
        // another key makes another extension of the same folder
        if (loaded && id !== loaded) await devTools.send('Extensions.uninstall', { id: loaded })
        loaded = id
        return { id }
      } catch (error) {
        return { refused: (error as Error).message.replace('DevTools: ', '').replaceAll(folder, 'FOLDER') }
      }
    }
  }
}

/** Chromium keeps the rules that it has read in the extension's folder: it is its own, as a person's is. */
function write (folder: string, files: Folder): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  chownSync(folder, UID, UID)
  for (const [path, content] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
}

async function startBrowser (t: Test, home: string): Promise<DevTools> {
  const profile = join(home, 'profile')
  const preferences = join(profile, 'Default/Preferences')
  mkdirSync(dirname(preferences), { recursive: true })
  writeFileSync(preferences, JSON.stringify({ extensions: { ui: { developer_mode: true } } }))
  for (const path of [home, profile, dirname(preferences), preferences]) chownSync(path, UID, UID)
  chmodSync(home, 0o755)
  const child = spawn('/usr/bin/chromium', [`--user-data-dir=${profile}`, ...ARGV],
    { uid: UID, gid: UID, cwd: home, env: { ...CLEAN_ENV, HOME: home, TMPDIR: home }, stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(() => eventually('no process of the plain Chromium', async () => {
    const pids = await processesOf(UID)
    for (const pid of pids) kill(pid)
    return pids.length === 0
  }))
  const address = Promise.withResolvers<string>()
  let output = ''
  child.on('error', address.reject)
  child.on('exit', code => address.reject(new Error(`the plain Chromium ended with ${code}: ${output.slice(-2000)}`)))
  createInterface(child.stderr).on('line', line => {
    output += line + '\n'
    const url = /^DevTools listening on (\S+)/.exec(line)?.[1]
    if (url) address.resolve(url)
  })
  const socket = new WebSocket(await address.promise)
  const open = Promise.withResolvers<void>()
  socket.addEventListener('open', () => open.resolve())
  socket.addEventListener('error', () => open.reject(new Error('DevTools refused the connection')))
  await open.promise
  t.teardown(() => socket.close())
  return new DevTools(socket, '')
}
