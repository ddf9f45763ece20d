import { setTimeout as delay } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { isModest } from '#domain/memory/json-text.ts'
import type { Tab } from '#domain/memory/tab.ts'
import type { DevTools } from '#system/programs/devtools.ts'

/** The areas of an extension's storage that are kept. */
const AREAS = ['local', 'sync', 'session'] as const
/** The items of an extension's storage, by area. An area is missing when the extension may not use it. */
export type ExtensionStorage = Partial<Record<typeof AREAS[number], Record<string, unknown>>>

/** The most bytes of an extension's storage that are kept: Chromium's own limit of each area, without the permission for more. */
const STORAGE_BYTES = 10 * 1024 * 1024
/** Characters in one message: DevTools may need six bytes for one. */
const PIECE = 256 * 1024
const PAGE_MS = 3000

const Placed = Type.Object({
  targetId: Type.String(),
  type: Type.String(),
  url: Type.String(),
  embedderData: Type.Optional(Type.Object({ tabActive: Type.Optional(Type.Boolean()), tabStripIndex: Type.Optional(Type.Integer()) }))
})
const Targets = Type.Object({ targetInfos: Type.Array(Placed, { maxItems: 500 }) })
const Created = Type.Object({ targetId: Type.String() })
const Attached = Type.Object({ sessionId: Type.String() })
const Evaluated = Type.Object({ result: Type.Object({ value: Type.Optional(Type.Unknown()) }), exceptionDetails: Type.Optional(Type.Unknown()) })
const Items = Type.Record(Type.String(), Type.Unknown())
const Storage = Type.Object({ local: Type.Optional(Items), sync: Type.Optional(Items), session: Type.Optional(Items) }, { additionalProperties: false })

interface OpenTab extends Tab { targetId: string }

/** The tabs of the browser, from left to right. */
export async function readTabs (devTools: DevTools, signal: AbortSignal): Promise<Tab[]> {
  return (await listTabs(devTools, signal)).map(({ targetId, ...tab }) => tab)
}

/** Makes the tabs of the browser these ones, in their order. They load in the background. With none, changes nothing. */
export async function openTabs (devTools: DevTools, tabs: Tab[], signal: AbortSignal): Promise<void> {
  if (tabs.length === 0) return
  const before = await listTabs(devTools, signal)
  const kept = before.find(({ url }) => url === tabs[0]?.url)
  const opened: string[] = kept ? [kept.targetId] : []
  for (const { url } of tabs.slice(opened.length)) {
    opened.push(Value.Decode(Created, await devTools.send('Target.createTarget', { url, background: true }, { signal })).targetId)
  }
  await Promise.all(before.filter(tab => tab !== kept).map(({ targetId }) => closeTab(devTools, targetId, signal)))
  const active = opened[tabs.findIndex(({ isActive }) => isActive)]
  if (active !== undefined) await devTools.send('Target.activateTarget', { targetId: active }, { signal })
}

/** Tabs have a place in a window. Hidden pages have none. */
async function listTabs (devTools: DevTools, signal: AbortSignal): Promise<OpenTab[]> {
  const { targetInfos } = Value.Decode(Targets, await devTools.send('Target.getTargets', { filter: [{ type: 'tab' }, { type: 'page' }] }, { signal }))
  const inStrip = targetInfos.filter(({ embedderData }) => embedderData?.tabStripIndex !== undefined)
  const shown = inStrip.length > 0 ? inStrip.toSorted((a, b) => a.embedderData!.tabStripIndex! - b.embedderData!.tabStripIndex!) : targetInfos.filter(({ type }) => type === 'page')
  return shown.map(({ targetId, url, embedderData }) => ({ targetId, url, ...(embedderData?.tabActive && { isActive: true as const }) }))
}

async function closeTab (devTools: DevTools, targetId: string, signal: AbortSignal): Promise<void> {
  await devTools.send('Target.closeTarget', { targetId }, { signal }).catch(() => {}) // it has closed meanwhile
}

/** The storage of the extension; undefined when it cannot be read, or has more than 10 MiB. The text comes from the session. */
export async function readStorage (devTools: DevTools, extensionId: string, signal: AbortSignal): Promise<ExtensionStorage | undefined> {
  return await onPageOf(devTools, extensionId, signal, async evaluate => {
    const length = await evaluate(`(async () => {
      const all = {}
      let bytes = 0
      for (const area of ${JSON.stringify(AREAS)}) {
        const storage = chrome.storage?.[area]
        if (!storage) continue
        bytes += await storage.getBytesInUse()
        if (bytes > ${STORAGE_BYTES}) return -1
        all[area] = await storage.get()
      }
      globalThis.ex10 = JSON.stringify(all)
      return ex10.length
    })()`)
    if (!Number.isInteger(length) || Number(length) < 0 || Number(length) > 2 * STORAGE_BYTES) return undefined
    let text = ''
    while (text.length < Number(length)) {
      const piece = await evaluate(`ex10.slice(${text.length}, ${text.length + PIECE})`)
      if (typeof piece !== 'string' || piece === '') return undefined
      text += piece
    }
    if (!isModest(text)) return undefined
    const storage: unknown = JSON.parse(text)
    return Value.Check(Storage, storage) ? storage : undefined
  })
}

/** Makes the storage of the extension this one. An area that the extension may not use stays out. */
export async function writeStorage (devTools: DevTools, extensionId: string, storage: ExtensionStorage, signal: AbortSignal): Promise<void> {
  const text = JSON.stringify(storage)
  await onPageOf(devTools, extensionId, signal, async evaluate => {
    await evaluate('globalThis.ex10 = ""')
    for (let from = 0; from < text.length; from += PIECE) await evaluate(`void (ex10 += ${JSON.stringify(text.slice(from, from + PIECE))})`)
    await evaluate(`(async () => {
      for (const [area, items] of Object.entries(JSON.parse(ex10))) {
        const storage = chrome.storage?.[area]
        if (!storage) continue
        await storage.clear()
        await storage.set(items)
      }
    })()`)
  })
}

type Evaluate = (expression: string) => Promise<unknown>

/** Runs work with a hidden page of the extension, which has its rights and runs none of its code. */
async function onPageOf<T> (devTools: DevTools, extensionId: string, outer: AbortSignal, work: (evaluate: Evaluate) => Promise<T>): Promise<T> {
  const { targetId } = Value.Decode(Created, await devTools.send('Target.createTarget', { url: `chrome-extension://${extensionId}/manifest.json`, hidden: true }, { signal: outer }))
  try {
    const { sessionId } = Value.Decode(Attached, await devTools.send('Target.attachToTarget', { targetId, flatten: true }, { signal: outer }))
    const evaluate: Evaluate = async expression => {
      const answer = Value.Decode(Evaluated, await devTools.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }, { sessionId, signal: outer }))
      if (answer.exceptionDetails !== undefined) throw new Error('the page of the extension did not do it')
      return answer.result.value
    }
    const loading = AbortSignal.any([outer, AbortSignal.timeout(PAGE_MS)])
    while (await evaluate('globalThis.chrome?.runtime?.id').catch(() => undefined) !== extensionId) await delay(10, undefined, { signal: loading, ref: false })
    return await work(evaluate)
  } finally {
    await closeTab(devTools, targetId, AbortSignal.timeout(PAGE_MS)) // else it closes with the connection
  }
}
