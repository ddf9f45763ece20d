import { setTimeout as delay } from 'node:timers/promises'
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { BrowserChannel } from './browser-channel.ts'
import type { DevTools } from './devtools.ts'
import { attach, shownEntry, type Target } from './browser-tabs.ts'

/** The address of the new tab page, also when an extension replaces that page. */
const NEW_TAB = 'chrome://newtab/'
const BLANK = 'about:blank'
const PARK_MS = 1500
const RESTORE_MS = 3000

const Window = Type.Object({ windowId: Type.Integer() })
const Created = Type.Object({ targetId: Type.String() })

/** The extension's own open pages before a reload: Chromium closes them with the extension. */
export interface OwnPages {
  /** Opens them again. Resolves with the pages that could not be opened. */
  restore (id: string): Promise<string[]>
}

interface Parked { target: Target, sessionId: string, entryId: number }

/**
 * Makes the tabs of the extension show an empty page, so that they stay at their place while the extension is replaced.
 * Notes its side panel, and the DevTools windows that have a page of it.
 */
export async function parkOwnPages (channel: BrowserChannel, targets: Target[], id: string | undefined, hasDevToolsPage: boolean, signal: AbortSignal): Promise<OwnPages> {
  const devTools = await channel.devTools(signal)
  const own = id === undefined ? [] : targets.filter(({ type, url }) => type === 'page' && url.startsWith(`chrome-extension://${id}/`))
  const newTabs = targets.filter(({ type, url }) => type === 'page' && url === NEW_TAB)
  const inspectors = hasDevToolsPage ? targets.filter(({ url }) => url.startsWith('devtools://')) : []
  const views = own.length > 0 && id !== undefined ? (await (await channel.page(signal)).info(id, signal)).views : []
  const panels = own.filter(({ url }) => views.some(view => view.url === url && view.type === 'EXTENSION_SIDE_PANEL'))
  const tabs = own.filter(({ url }) => views.some(view => view.url === url && view.type === 'TAB_CONTENTS') && !panels.some(panel => panel.url === url))
  const panelWindows = await Promise.all(panels.map(panel => windowOf(devTools, panel, targets, signal)))
  const parked = (await Promise.all(tabs.map(tab => park(devTools, tab, signal).catch(() => undefined)))).filter(tab => tab !== undefined)
  const lost = tabs.filter(tab => !parked.some(({ target }) => target.targetId === tab.targetId))

  return {
    async restore (newId) {
      const within = AbortSignal.timeout(RESTORE_MS) // its own time limit, so that no tab stays empty when the load was given up
      const address = ({ url }: Target) => url.replace(`chrome-extension://${id}/`, `chrome-extension://${newId}/`)
      const done = await Promise.allSettled([
        ...parked.map(async tab => {
          if (newId === id) await devTools.send('Page.navigateToHistoryEntry', { entryId: tab.entryId }, { sessionId: tab.sessionId, signal: within })
          else await devTools.send('Page.navigate', { url: address(tab.target) }, { sessionId: tab.sessionId, signal: within })
          await devTools.send('Target.detachFromTarget', { sessionId: tab.sessionId }, { signal: within })
        }),
        ...lost.map(async tab => { await devTools.send('Target.createTarget', { url: address(tab), background: true }, { signal: within }) }),
        ...newTabs.map(async tab => {
          const sessionId = await attach(devTools, tab, within)
          await devTools.send('Page.navigate', { url: NEW_TAB }, { sessionId, signal: within })
          await devTools.send('Target.detachFromTarget', { sessionId }, { signal: within })
        }),
        ...panelWindows.map(windowId => openSidePanel(devTools, newId, windowId, within)),
        ...inspectors.map(inspector => openInspector(devTools, inspector, targets, within))
      ])
      const names = [...parked.map(({ target }) => target.url), ...lost.map(({ url }) => url), ...newTabs.map(() => NEW_TAB), ...panels.map(() => 'the side panel'), ...inspectors.map(() => 'DevTools')]
      return names.filter((_, index) => done[index]?.status === 'rejected')
    }
  }
}

/** Waits until the empty page has loaded: a tab that has not yet left the extension's page closes with the extension. */
async function park (devTools: DevTools, target: Target, outer: AbortSignal): Promise<Parked> {
  const signal = AbortSignal.any([outer, AbortSignal.timeout(PARK_MS)])
  const sessionId = await attach(devTools, target, signal)
  const { promise: isBlank, resolve } = Promise.withResolvers<void>()
  const stop = devTools.listen(event => {
    if (event.sessionId !== sessionId) return
    if (event.method === 'Page.loadEventFired') resolve()
    if (event.method === 'Page.javascriptDialogOpening') { // a "leave this page?" dialog: accept it, because the person has pushed code
      devTools.send('Page.handleJavaScriptDialog', { accept: true }, { sessionId, signal }).catch(() => {}) // it has been closed already
    }
  })
  try {
    await devTools.send('Page.enable', {}, { sessionId, signal })
    const shown = await shownEntry(devTools, sessionId, signal)
    await devTools.send('Page.navigate', { url: BLANK }, { sessionId, signal })
    await Promise.race([isBlank, rejection(signal)])
    return { target, sessionId, entryId: shown?.id ?? -1 }
  } finally {
    stop()
  }
}

async function rejection (signal: AbortSignal): Promise<never> {
  await delay(PARK_MS, undefined, { signal, ref: false })
  throw new Error('the tab did not leave its page')
}

/** The window of a side panel: its own target's, or that of the first tab. */
async function windowOf (devTools: DevTools, panel: Target, targets: Target[], signal: AbortSignal): Promise<number> {
  const pages = [panel, ...targets.filter(({ type, url }) => type === 'page' && !url.startsWith('chrome-extension:') && !url.startsWith('devtools:'))]
  for (const { targetId } of pages) {
    const answer = await devTools.send('Browser.getWindowForTarget', { targetId }, { signal }).catch(() => undefined) // it has none
    if (Value.Check(Window, answer)) return answer.windowId
  }
  return -1
}

/** Opens the side panel. Only a page of the extension may do so, with a user gesture; a hidden page of it is enough. */
async function openSidePanel (devTools: DevTools, id: string, windowId: number, signal: AbortSignal): Promise<void> {
  const { targetId } = Value.Decode(Created, await devTools.send('Target.createTarget', { url: `chrome-extension://${id}/manifest.json`, hidden: true }, { signal }))
  try {
    const { sessionId } = Value.Decode(Type.Object({ sessionId: Type.String() }), await devTools.send('Target.attachToTarget', { targetId, flatten: true }, { signal }))
    for (;;) {
      signal.throwIfAborted()
      const answer = await devTools.send('Runtime.evaluate', { expression: `chrome.sidePanel.open({ windowId: ${windowId} })`, awaitPromise: true, userGesture: true }, { sessionId, signal })
      const { exceptionDetails } = answer as { exceptionDetails?: { exception?: { className?: string } } }
      if (!exceptionDetails) return
      if (exceptionDetails.exception?.className !== 'TypeError' && exceptionDetails.exception?.className !== 'ReferenceError') throw new Error('Chromium does not open the side panel')
      await delay(20, undefined, { signal, ref: false }) // the page has not loaded yet
    }
  } finally {
    await devTools.send('Target.closeTarget', { targetId }, { signal }).catch(() => {}) // else it closes with the connection
  }
}

/** Opens DevTools again for the inspected page: the title of the DevTools window ends with that page's address. */
async function openInspector (devTools: DevTools, { title }: Target, targets: Static<typeof Target>[], signal: AbortSignal): Promise<void> {
  const page = targets.find(({ type, url }) => type === 'page' && title?.endsWith(` - ${url.replace(/^https?:\/\//, '')}`))
  if (!page) throw new Error('the inspected page is not known')
  await devTools.send('Target.openDevTools', { targetId: page.targetId }, { signal })
}
