import { setTimeout as delay } from 'node:timers/promises'
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { isConcerned, looksIntoFrames, type Frame, type Manifest } from '#domain/code/manifest.ts'
import type { DevTools } from './devtools.ts'

/** A target of DevTools: a page, a frame of another process, a worker. */
export const Target = Type.Object({
  targetId: Type.String(), type: Type.String(), url: Type.String(), title: Type.Optional(Type.String()), openerId: Type.Optional(Type.String())
})
export type Target = Static<typeof Target>

const Targets = Type.Object({ targetInfos: Type.Array(Target, { maxItems: 500 }) })
const Attached = Type.Object({ sessionId: Type.String() })
const HistoryEntry = Type.Object({ id: Type.Integer(), url: Type.String() })
const History = Type.Object({ currentIndex: Type.Integer(), entries: Type.Array(HistoryEntry) })
const TAB_MS = 2000
/** A renderer that hangs does not list its frames. */
const FRAMES_MS = 300
/** A page with a dialog does not reload before the dialog is closed. */
const DIALOG_MS = 150
const SETTLED_MS = 1500
/** A navigation that takes longer ends after the extension was replaced: its page needs no reload. */
const COMMIT_MS = 1000
const MATCHING_STEPS = 5_000_000
const ADDRESS_LENGTH = 8192

const FrameTree: ReturnType<typeof frameTree> = frameTree()
function frameTree () {
  return Type.Recursive(This => Type.Object({
    frame: Type.Object({ url: Type.String() }),
    childFrames: Type.Optional(Type.Array(This, { maxItems: 1000 }))
  }))
}

export async function listTargets (devTools: DevTools, signal: AbortSignal): Promise<Target[]> {
  return Value.Decode(Targets, await devTools.send('Target.getTargets', {}, { signal })).targetInfos
}

/** Attaches to a target. Resolves with the session id of the attachment. */
export async function attach (devTools: DevTools, { targetId }: Target, signal: AbortSignal): Promise<string> {
  return Value.Decode(Attached, await devTools.send('Target.attachToTarget', { targetId, flatten: true }, { signal })).sessionId
}

/** The tabs in which a content script of one of the manifests runs; all tabs of the web if a manifest is unknown. */
export async function concernedTabs (devTools: DevTools, targets: Target[], manifests: (Manifest | undefined)[], signal: AbortSignal): Promise<Target[]> {
  const tabs = targets.filter(({ type, url }) => type === 'page' && /^(https?|file|ftp|data|about:blank)/.test(url))
  const known = manifests.filter(manifest => manifest !== undefined)
  if (known.length < manifests.length) return tabs.filter(({ url }) => !url.startsWith('about:'))
  const budget = { steps: MATCHING_STEPS }
  const isHit = (frame: Frame) => frame.url.length <= ADDRESS_LENGTH && known.some(manifest => isConcerned(manifest, frame, budget))
  const found = await Promise.all(tabs.map(async tab => {
    const opener = targets.find(({ targetId }) => targetId === tab.openerId)
    if (isHit({ url: tab.url, isTop: true, from: opener?.url })) return tab
    if (!known.some(looksIntoFrames)) return undefined
    const frames = await framesOf(devTools, tab, signal).catch(() => [])
    return frames.some(isHit) ? tab : undefined
  }))
  return found.filter(tab => tab !== undefined)
}

/** The frames in a tab's page, those of other processes included. */
async function framesOf (devTools: DevTools, tab: Target, outer: AbortSignal): Promise<Frame[]> {
  const signal = AbortSignal.any([outer, AbortSignal.timeout(FRAMES_MS)])
  const sessionId = await attach(devTools, tab, signal)
  try {
    const tree = await devTools.send('Page.getFrameTree', {}, { sessionId, signal })
    const frames: Frame[] = []
    walk(Value.Decode(Type.Object({ frameTree: FrameTree }), tree).frameTree, tab.url, frames)
    const others = await devTools.send('Target.getTargets', { filter: [{ type: 'iframe' }] }, { signal })
    for (const { url } of Value.Decode(Targets, others).targetInfos) frames.push({ url, isTop: false })
    return frames
  } finally {
    detach(devTools, sessionId, outer)
  }
}

function walk ({ childFrames = [] }: Static<typeof FrameTree>, from: string, frames: Frame[]): void {
  for (const child of childFrames) {
    frames.push({ url: child.frame.url, isTop: false, from })
    walk(child, child.frame.url.startsWith('about:') ? from : child.frame.url, frames)
  }
}

/** The number of tabs that reload; `settled` resolves when they have loaded, or after 1.5 s. */
export interface ReloadedTabs { tabs: number, settled: Promise<void> }

/**
 * Reloads the tabs. Resolves when all reloads have begun, or after two seconds. A tab that closes in the meantime, shows a
 * dialog or hangs does not keep the others from being reloaded.
 */
export async function reloadTabs (devTools: DevTools, tabs: Target[], outer: AbortSignal): Promise<ReloadedTabs> {
  const signal = AbortSignal.any([outer, AbortSignal.timeout(TAB_MS)])
  const done = await Promise.allSettled(tabs.map(tab => reloadTab(devTools, tab, signal)))
  const reloaded = done.filter(result => result.status === 'fulfilled')
  return { tabs: reloaded.length, settled: Promise.all(reloaded.map(({ value }) => value.settled)).then(() => {}) }
}

async function reloadTab (devTools: DevTools, tab: Target, signal: AbortSignal): Promise<{ settled: Promise<void> }> {
  const sessionId = await attach(devTools, tab, signal)
  const { promise: settled, resolve } = Promise.withResolvers<void>()
  const { promise: committed, resolve: commit } = Promise.withResolvers<boolean>()
  const stop = devTools.listen(event => {
    if (event.sessionId === sessionId && event.method === 'Page.loadEventFired') resolve()
    if (event.sessionId === sessionId && event.method === 'Page.frameNavigated' && !(event.params.frame as { parentId?: string } | undefined)?.parentId) commit(true)
    if (event.method === 'Target.detachedFromTarget' && event.params.sessionId === sessionId) resolve()
  })
  const closeDialog = setTimeout(() => {
    devTools.send('Page.handleJavaScriptDialog', { accept: true }, { sessionId, signal }).catch(() => {}) // no dialog is open
  }, DIALOG_MS)
  const latest = setTimeout(resolve, SETTLED_MS)
  settled.then(() => {
    stop()
    clearTimeout(latest)
    devTools.send('Target.detachFromTarget', { sessionId }, { signal: AbortSignal.timeout(TAB_MS) }).catch(() => {}) // the tab has closed
  })
  try {
    devTools.send('Page.enable', {}, { sessionId, signal }).catch(() => {}) // a page that hangs must not delay the next command
    // a reload would throw away a navigation that has begun, and the tab would stay where it was
    if (await isOnItsWay(devTools, tab, sessionId, signal) && !await Promise.race([committed, delay(COMMIT_MS, false)])) {
      resolve()
      return { settled }
    }
    await devTools.send('Page.reload', {}, { sessionId, signal })
    return { settled }
  } catch (error) {
    resolve()
    throw error
  } finally {
    clearTimeout(closeDialog)
  }
}

/** The entry of its history that the attached tab shows; a navigation that has only begun has none yet. */
export async function shownEntry (devTools: DevTools, sessionId: string, signal: AbortSignal): Promise<Static<typeof HistoryEntry> | undefined> {
  const { currentIndex, entries } = Value.Decode(History, await devTools.send('Page.getNavigationHistory', {}, { sessionId, signal }))
  return entries[currentIndex]
}

/** Whether the tab shows another page than the one that it is about to show, whose address DevTools gives already. */
async function isOnItsWay (devTools: DevTools, { url }: Target, sessionId: string, signal: AbortSignal): Promise<boolean> {
  if (!/^(https?|file):/.test(url)) return false
  const entry = await shownEntry(devTools, sessionId, signal)
  return entry !== undefined && entry.url !== url
}

/** Reloads the extension's own pages in tabs, popups, panels and frames. */
export async function reloadOwnPages (devTools: DevTools, targets: Target[], id: string, outer: AbortSignal): Promise<ReloadedTabs> {
  const signal = AbortSignal.any([outer, AbortSignal.timeout(TAB_MS)])
  const own = targets.filter(({ type, url }) => type !== 'service_worker' && (url.startsWith(`chrome-extension://${id}/`) || url === 'chrome://newtab/'))
  const others = Promise.allSettled(own.filter(({ type }) => type !== 'page').map(async target => {
    const sessionId = await attach(devTools, target, signal)
    await devTools.send('Runtime.evaluate', { expression: 'location.reload()' }, { sessionId, signal })
    detach(devTools, sessionId, signal)
  }))
  const pages = await reloadTabs(devTools, own.filter(({ type }) => type === 'page'), outer)
  await others
  return pages
}

function detach (devTools: DevTools, sessionId: string, signal: AbortSignal): void {
  devTools.send('Target.detachFromTarget', { sessionId }, { signal }).catch(() => {}) // the target has closed
}
