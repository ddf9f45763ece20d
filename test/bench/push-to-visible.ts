import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connectDevTools, type DevTools } from '../../src/system/devtools.ts'
import { readFacts } from '../support/sandbox.ts'
import { eventually, pushCode, type Server } from '../support/server.ts'

const CONTENT_SCRIPT = readFileSync('templates/vanilla/extension/content-script.js', 'utf8')

/**
 * Milliseconds from a push of a content script until an open tab shows its new output. The tab's page is a file of the
 * session's: it needs no network.
 */
export async function contentScriptSeen (server: Server, id: string): Promise<number> {
  const signal = AbortSignal.timeout(60_000)
  const devTools = await connectDevTools(readFacts(server, id).slot.devToolsPort, signal)
  try {
    const tab = await openTab(devTools, signal)
    const token = randomBytes(6).toString('hex')
    const start = performance.now()
    await pushCode(server, { sessionId: id, filePath: 'content-script.js', content: `${CONTENT_SCRIPT}\ndocument.documentElement.dataset.token = '${token}'\n` })
    await eventually('the token', async () => await evaluate(devTools, tab, 'document.documentElement.dataset.token', signal) === token, 30_000)
    return performance.now() - start
  } finally {
    devTools.close()
  }
}

/** An http page that the test itself answers, through DevTools: it needs no network. */
async function openTab (devTools: DevTools, signal: AbortSignal): Promise<string> {
  const { targetId } = await devTools.send('Target.createTarget', { url: 'about:blank' }, { signal })
  const { sessionId } = await devTools.send('Target.attachToTarget', { targetId, flatten: true }, { signal }) as { sessionId: string }
  devTools.listen(event => {
    const { method, params } = event as { method?: string, params?: { requestId?: string } }
    if (method !== 'Fetch.requestPaused') return
    devTools.send('Fetch.fulfillRequest', { requestId: params?.requestId, responseCode: 200, responseHeaders: [{ name: 'content-type', value: 'text/html' }], body: btoa('<p>page') }, { sessionId, signal })
      .catch(() => {}) // the tab was reloaded meanwhile: its next request comes
  })
  await devTools.send('Fetch.enable', {}, { sessionId, signal })
  await devTools.send('Page.navigate', { url: 'http://page.test/' }, { sessionId, signal })
  return sessionId
}

async function evaluate (devTools: DevTools, sessionId: string, expression: string, signal: AbortSignal): Promise<unknown> {
  try {
    const { result } = await devTools.send('Runtime.evaluate', { expression, returnByValue: true }, { sessionId, signal }) as { result?: { value?: unknown } }
    return result?.value
  } catch {
    return undefined // between two pages
  }
}
