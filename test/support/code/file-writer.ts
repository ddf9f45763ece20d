import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { programText } from '#system/code/session-program.ts'
import { TEST_DATA } from '#support/servers/server.ts'
import { start } from '#support/sandbox.ts'

const PROGRAM = programText('file-paths.py', 'source-scan.py', 'file-writer.py')

/** A uid that has no account and no other use. */
export const UID = 64124

/** A change as the program takes it: with `content` as text. */
export interface Change { path: string, content?: string | Buffer, staged?: string, delete?: true, ifExists?: true, ifMatch?: string | string[], ifNoneMatch?: string | string[] }

/** One run of the program. */
export interface Writer {
  pid: number
  /** Sends one request, as it stands, and resolves with the answer, or with undefined when the program ended instead. */
  ask (line: string): Promise<{ ok?: true, error?: string, path?: string } | undefined>
  push (changes: Change[], options?: object): Promise<{ ok?: true, error?: string, path?: string } | undefined>
  kill (): void
  ended: Promise<void>
}

/** A home of that uid, with its extension folder; removed after the test. */
export function makeHome (t: Test): string {
  mkdirSync(TEST_DATA, { recursive: true, mode: 0o711 })
  const home = mkdtempSync(`${TEST_DATA}/home-`)
  t.teardown(() => rmSync(home, { recursive: true, force: true }))
  mkdirSync(`${home}/extension`)
  own(home)
  return home
}

/** Gives all in the folder to the uid. */
export function own (folder: string): void {
  execFileSync('chown', ['-R', '-h', `${UID}:${UID}`, folder])
  chownSync(folder, UID, UID)
  chmodSync(folder, 0o700)
}

/** Starts the program on this home; `prefix` goes before it, as root. */
export function startWriter (t: Test, home: string, prefix: string[] = []): Writer {
  const child = start(t, [...prefix, 'setpriv', `--reuid=${UID}`, `--regid=${UID}`, '--clear-groups', '--no-new-privs', '--bounding-set=-all', '--',
    'env', '-i', `HOME=${home}`, '/usr/bin/python3', '-I', '-S', '-c', PROGRAM])
  child.stderr.resume()
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const ended = new Promise<void>(resolve => child.on('exit', () => resolve()))
  const ask = async (line: string) => {
    child.stdin.write(line + '\n')
    const answer = await lines.next()
    return answer.done ? undefined : JSON.parse(answer.value)
  }
  return { pid: child.pid!, ask, push: (changes, options) => ask(request(changes, options)), kill: () => { child.kill('SIGKILL') }, ended }
}

/** The program's request for these changes. */
export function request (changes: Change[], options: object = {}): string {
  return JSON.stringify({ ...options, base: 'extension', files: changes.map(({ content, ...change }) => content === undefined ? change : { ...change, content: Buffer.from(content).toString('base64') }) })
}

/** All that is in the home, a line each: path, mode, content. What stands in the staging folder counts, the folder itself does not. */
export function listHome (home: string): string[] {
  return (readdirSync(home, { recursive: true }) as string[]).filter(name => name !== '.ex10-push' && name !== '.ex10-transfer').map(name => {
    const path = `${home}/${name}`
    const stat = lstatSync(path)
    const content = stat.isFile() ? readFileSync(path, 'latin1') : stat.isSymbolicLink() ? readlinkSync(path) : ''
    return `${name} ${stat.mode.toString(8)} ${content.length > 200 ? `${content.slice(0, 50)}… (${content.length})` : content}`
  }).sort()
}
