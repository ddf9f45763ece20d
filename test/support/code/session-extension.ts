import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { CodeUpdated } from '#schemas/code-update.ts'
import type { Problem } from '#schemas/problem.ts'
import type { SessionView } from '#schemas/session.ts'
import { openDevTools, type DevTools } from '#support/display/devtools.ts'
import { toPush, type Folder } from './extension-cases.ts'
import { readFacts } from '#support/sandbox.ts'
import { pushCode, type CreatedSession, type Server } from '#support/servers/server.ts'

const TEMPLATE = 'templates/vanilla/extension'

/** What `POST /updateCode` answers to who waits. */
export type Waited = CodeUpdated & { loaded: boolean, reloadMs: number, problems: Problem[] }

/** The extension of a session, whose files are pushed whole. */
export class SessionExtension {
  readonly devTools: DevTools
  /** The folder that its browser loads. */
  readonly path: string
  readonly #server: Server
  readonly #session: CreatedSession
  #files: Folder

  private constructor (server: Server, session: CreatedSession, devTools: DevTools) {
    this.#server = server
    this.#session = session
    this.devTools = devTools
    this.path = `${readFacts(server, session.id).account.home}/extension`
    const names = readdirSync(TEMPLATE, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
    this.#files = new Map(names.map(({ name, parentPath }) => join(parentPath, name)).map(file => [file.slice(TEMPLATE.length + 1), readFileSync(file)]))
  }

  /** Of a session with the template vanilla to which nothing was pushed yet. */
  static async of (t: Test, server: Server, session: CreatedSession): Promise<SessionExtension> {
    return new SessionExtension(server, session, await openDevTools(t, server, session))
  }

  /** Has the extension consist of these files, and of no others; resolves with the answer when the browser runs them, or cannot. */
  async replace (files: Folder): Promise<Waited> {
    const response = await pushCode(this.#server, { sessionId: this.#session.id, wait: true, files: toPush(files, this.#files) })
    if (!response.ok) throw new Error(`not pushed: ${response.status} ${await response.text()}`)
    this.#files = files
    return await response.json() as Waited
  }

  /** What was pushed last; at first, the template's files. */
  get files (): Folder {
    return this.#files
  }

  /** Changes some of its files. */
  async change (files: Record<string, string>): Promise<Waited> {
    return this.replace(new Map([...this.#files, ...Object.entries(files).map(([path, content]) => [path, Buffer.from(content)] as const)]))
  }

  async problems (): Promise<Problem[]> {
    const response = await fetch(`${this.#server.url}/sessions/${this.#session.id}`)
    return (await response.json() as SessionView & { problems: Problem[] }).problems
  }
}
