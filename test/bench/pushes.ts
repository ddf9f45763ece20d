import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { extensionId } from '#domain/programs/extension-id.ts'
import { connectDevTools, type DevTools } from '#system/programs/devtools.ts'
import { readFacts } from '#support/sandbox.ts'
import { createSession, endSession, eventually, pushCode, type CreatedSession, type Server } from '#support/servers/server.ts'

const PAGE = 'http://page.test/'
const CONTENT_SCRIPT = readFileSync('templates/vanilla/extension/content-script.js', 'utf8')
const SEEN_MS = 30_000
/** A worker that is being replaced may not answer. */
const ANSWER_MS = 500
const token = () => randomBytes(6).toString('hex')
const says = (said: string) => `document.documentElement.dataset.token = '${said}'`

/** A session whose browser is looked into while it is pushed to. */
export interface Bench { server: Server, session: CreatedSession, devTools: DevTools, extensionId: string, signal: AbortSignal }

export async function openBench (server: Server, template: string, folder: string): Promise<Bench> {
  const session = await createSession(server, `?template=${template}`)
  const { slot, account } = readFacts(server, session.id)
  const signal = AbortSignal.timeout(600_000)
  return { server, session, devTools: await connectDevTools(slot.devToolsPort, signal), extensionId: extensionId(`${account.home}/${folder}`), signal }
}

export async function closeBench ({ server, session, devTools }: Bench): Promise<void> {
  devTools.close()
  await endSession(server, session.id)
}

/** Milliseconds, as often as `times`, from a push of `file` until the open tab shows what its content script says. */
export async function contentScriptSeen (bench: Bench, file: string, times: number): Promise<number[]> {
  const tab = await openWebPage(bench)
  const source = file.endsWith('.js') ? CONTENT_SCRIPT : ''
  return await repeat(times, said => ({ files: { [file]: `${source}\n${says(said)}\n` }, seen: () => evaluate(bench, tab, 'document.documentElement.dataset.token') }), bench)
}

/** Likewise, from a rollback to a version with another content script until the open tab shows it. */
export async function rollbackSeen (bench: Bench, file: string, times: number): Promise<number[]> {
  const { server, session } = bench
  const tab = await openWebPage(bench)
  const versions: { version: number, said: string }[] = []
  for (const said of [token(), token()]) {
    const pushed = await pushCode(server, { sessionId: session.id, filePath: file, content: `${CONTENT_SCRIPT}\n${says(said)}\n`, wait: true })
    versions.push({ ...await pushed.json() as { version: number }, said })
  }
  const figures: number[] = []
  for (let round = -1; round < times; round++) { // the first one opens connections
    const { version, said } = versions[(round + 1) % 2]!
    const rollBack = (wait: boolean) => fetch(`${server.url}/sessions/${session.id}/rollback`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ version, wait }) })
    const start = performance.now()
    const answered = rollBack(false)
    await eventually('the earlier version', async () => await evaluate(bench, tab, 'document.documentElement.dataset.token') === said, SEEN_MS)
    if (round >= 0) figures.push(performance.now() - start)
    await answered
    await rollBack(true) // what the load still does is over
  }
  return figures
}

/** Likewise, until the popup's page, which is open in a tab, shows it. */
export async function popupSeen (bench: Bench, times: number): Promise<number[]> {
  const tab = await openTab(bench, `chrome-extension://${bench.extensionId}/popup.html`)
  return await repeat(times, said => ({ files: { 'popup.html': `<!doctype html><title>${said}</title>` }, seen: () => evaluate(bench, tab, 'document.title') }), bench)
}

/** Likewise, until the new service worker runs what was pushed. */
export async function workerLive (bench: Bench, times: number): Promise<number[]> {
  return await repeat(times, said => ({ files: { 'background.js': `self.token = '${said}'` }, seen: () => askWorker(bench) }), bench)
}

/** Milliseconds that a push of 8 KiB takes to be answered; the one before is over by then. */
export async function answered ({ server, session }: Bench, times: number): Promise<number[]> {
  const figures: number[] = []
  for (let round = 0; round < times; round++) {
    await pushCode(server, { sessionId: session.id, filePath: 'notes.txt', content: token(), wait: true })
    const start = performance.now()
    await (await pushCode(server, { sessionId: session.id, filePath: 'notes.txt', content: String(round).padEnd(8192, 'x') })).json()
    figures.push(performance.now() - start)
  }
  return figures
}

/** Pushes `count` files of `bytes` each. */
export async function pushMany ({ server, session }: Bench, count: number, bytes: number): Promise<void> {
  const files = Array.from({ length: count }, (_, index) => ({ filePath: `many/${index}.js`, content: `// ${index}\n`.padEnd(bytes, 'x') }))
  const response = await pushCode(server, { sessionId: session.id, files, wait: true })
  if (!response.ok) throw new Error(`not pushed: ${await response.text()}`)
}

interface Round { files: Record<string, string>, seen: () => Promise<unknown> }

async function repeat (times: number, round: (said: string) => Round, { server, session }: Bench): Promise<number[]> {
  const figures: number[] = []
  for (let index = -1; index < times; index++) { // the first one opens connections
    const said = token()
    const { files, seen } = round(said)
    const start = performance.now()
    const body = { sessionId: session.id, files: Object.entries(files).map(([filePath, content]) => ({ filePath, content })) }
    const pushed = pushCode(server, body)
    await eventually('what was pushed', async () => await seen() === said, SEEN_MS)
    if (index >= 0) figures.push(performance.now() - start)
    await pushed
    await pushCode(server, { ...body, wait: true }) // what the load still does is over
  }
  return figures
}

/** An http page that the bench itself answers, through DevTools: it needs no network. */
async function openWebPage (bench: Bench): Promise<string> {
  const { devTools, signal } = bench
  const sessionId = await openTab(bench, 'about:blank')
  devTools.listen(({ method, params }) => {
    if (method !== 'Fetch.requestPaused') return
    devTools.send('Fetch.fulfillRequest', { requestId: params.requestId, responseCode: 200, responseHeaders: [{ name: 'content-type', value: 'text/html' }], body: btoa('<p>page') }, { sessionId, signal })
      .catch(() => {}) // the tab was reloaded meanwhile: its next request comes
  })
  await devTools.send('Fetch.enable', {}, { sessionId, signal })
  await devTools.send('Page.navigate', { url: PAGE }, { sessionId, signal })
  return sessionId
}

async function openTab ({ devTools, signal }: Bench, url: string): Promise<string> {
  const { targetId } = await devTools.send('Target.createTarget', { url }, { signal })
  const { sessionId } = await devTools.send('Target.attachToTarget', { targetId, flatten: true }, { signal }) as { sessionId: string }
  return sessionId
}

async function askWorker (bench: Bench): Promise<unknown> {
  const { devTools, signal } = bench
  const { targetInfos } = await devTools.send('Target.getTargets', {}, { signal }) as { targetInfos: { targetId: string, type: string, url: string }[] }
  const worker = targetInfos.find(({ type, url }) => type === 'service_worker' && url.includes(bench.extensionId))
  if (!worker) return undefined
  const attached = await devTools.send('Target.attachToTarget', { targetId: worker.targetId, flatten: true }, { signal }).catch(() => undefined) as { sessionId: string } | undefined // it has gone
  if (!attached) return undefined
  const said = await evaluate(bench, attached.sessionId, 'self.token')
  await devTools.send('Target.detachFromTarget', attached, { signal }).catch(() => {}) // likewise
  return said
}

async function evaluate ({ devTools, signal }: Bench, sessionId: string, expression: string): Promise<unknown> {
  try {
    const { result } = await devTools.send('Runtime.evaluate', { expression, returnByValue: true }, { sessionId, signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]) }) as { result?: { value?: unknown } }
    return result?.value
  } catch {
    return undefined // between two pages
  }
}
