import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { Manifest } from '#domain/code/manifest.ts'
import { problemOfRefusal } from '#domain/code/extension-problems.ts'
import type { Problem } from '#domain/programs/problem.ts'
import { attach, concernedTabs, listTargets, reloadOwnPages, reloadTabs } from './browser-tabs.ts'
import type { BrowserChannel } from './browser-channel.ts'
import { DevToolsRefused, type DevTools } from './devtools.ts'
import { parkOwnPages } from './own-pages.ts'
import { until } from '#system/kernel/processes.ts'

/** An extension in a browser, and the manifest with which it was loaded. */
export interface LoadedExtension { id: string, manifest: Manifest | undefined }

export interface Reload {
  /** The folder that Chromium loads. */
  path: string
  /** Its present manifest; undefined when it cannot be read. */
  manifest: Manifest | undefined
  /** The extension that is loaded now, where known. */
  before: LoadedExtension | undefined
  /** True when only the extension's own pages have changed. Chromium reads them from disk each time, so the extension itself can stay. */
  pagesOnly: boolean
}

export interface Reloaded {
  /** The extension that the browser runs now. */
  extension: LoadedExtension | undefined
  /** The number of reloaded tabs. */
  tabs: number
  /** Resolves when these tabs have loaded, or their time is over. */
  settled: Promise<void>
  /** The ids of removed extensions from the same folder, which had other keys. */
  replaced: string[]
  /** The extension's pages that Chromium has closed and that could not be opened again. */
  closed: string[]
  /** The service workers from before the reload, by target id. A worker under inspection lives on. */
  oldWorkers: string[]
  /** Chromium's refusal. The earlier extension runs on. */
  refusal?: Problem
}

const Loaded = Type.Object({ id: Type.String({ pattern: '^[a-p]{32}$' }) })
const Extensions = Type.Object({ extensions: Type.Array(Type.Object({ id: Type.String({ pattern: '^[a-p]{32}$' }), path: Type.String() }), { maxItems: 500 }) })

const LOAD_MS = 20_000
const WORKER_MS = 5000
const ANSWER_MS = 1000
const STATES = ['installing', 'installed', 'activating', 'activated']

/** Makes the running browser use the present files: loads the extension again in place, and reloads the tabs and pages that it concerns. */
export async function reloadExtension (channel: BrowserChannel, reload: Reload, signal: AbortSignal): Promise<Reloaded> {
  const devTools = await channel.devTools(signal)
  const targets = await listTargets(devTools, signal)
  const { path, manifest, before, pagesOnly } = reload
  const oldWorkers = targets.filter(({ type }) => type === 'service_worker').map(({ targetId }) => targetId)
  if (pagesOnly && before) {
    return { extension: before, ...await reloadOwnPages(devTools, targets, before.id, signal), replaced: [], closed: [], oldWorkers: [] }
  }
  const tabs = await concernedTabs(devTools, targets, before ? [before.manifest, manifest] : [undefined], signal)
  const own = await parkOwnPages(channel, targets, before?.id, Boolean(before?.manifest?.hasDevToolsPage), signal)
  let id: string
  try {
    id = await load(devTools, path, signal)
  } catch (error) {
    if (before) await own.restore(before.id)
    if (!(error instanceof DevToolsRefused)) throw error // not a message of Chromium about the extension
    const refusal = problemOfRefusal(error.message, path)
    return { extension: before, tabs: 0, settled: Promise.resolve(), replaced: [], closed: [], oldWorkers, refusal }
  }
  // a tab that went to another page while the extension was replaced has neither the old content scripts nor the new ones
  const moved = (await listTargets(devTools, signal)).filter(({ targetId, url }) => !url.startsWith('about:') && !targets.some(target => target.targetId === targetId && target.url === url))
  const late = await concernedTabs(devTools, moved, [before ? manifest : undefined], signal)
  const [reloaded, closed, replaced] = await Promise.all([
    reloadTabs(devTools, [...tabs.filter(tab => !late.some(({ targetId }) => targetId === tab.targetId)), ...late], signal), own.restore(id), before?.id === id ? [] : uninstallOthers(devTools, path, id, signal)
  ])
  return { extension: { id, manifest }, ...reloaded, replaced, closed, oldWorkers }
}

/** `Extensions.loadUnpacked` replaces an extension that is loaded from the same path. @throws with Chromium's message */
async function load (devTools: DevTools, path: string, signal: AbortSignal): Promise<string> {
  const answer = await devTools.send('Extensions.loadUnpacked', { path }, { signal: AbortSignal.any([signal, AbortSignal.timeout(LOAD_MS)]) })
  return Value.Decode(Loaded, answer).id
}

/** With another `key`, a second extension has the same path. Removes the earlier one, which would run beside it. */
async function uninstallOthers (devTools: DevTools, path: string, id: string, signal: AbortSignal): Promise<string[]> {
  const { extensions } = Value.Decode(Extensions, await devTools.send('Extensions.getExtensions', {}, { signal }))
  const others = extensions.filter(extension => extension.id !== id && extension.path === path)
  await Promise.all(others.map(other => devTools.send('Extensions.uninstall', { id: other.id }, { signal })))
  return others.map(other => other.id)
}

/** Resolves when the extension's service worker, none of the `old` ones, has started, or after 5 s. With `asks`, also resolves when Chromium reports that the worker failed. */
export async function workerSettled (channel: BrowserChannel, id: string, old: string[], asks: boolean, outer: AbortSignal): Promise<'started' | 'failed' | 'slow'> {
  const signal = AbortSignal.any([outer, AbortSignal.timeout(WORKER_MS)])
  const devTools = await channel.devTools(signal)
  const page = asks ? await channel.page(signal) : undefined
  let outcome: 'started' | 'failed' | undefined
  try {
    await until(async () => {
      const worker = (await listTargets(devTools, signal)).find(({ targetId, type, url }) => type === 'service_worker' && !old.includes(targetId) && url.startsWith(`chrome-extension://${id}/`))
      if (worker && await hasRun(devTools, worker, signal)) outcome = 'started'
      else if (page && (await page.info(id, signal)).manifestErrors.some(({ manifestKey }) => manifestKey === 'background')) outcome = 'failed'
      return outcome !== undefined
    }, signal, 20)
  } catch (error) {
    if (outer.aborted || !signal.aborted) throw error
  }
  return outcome ?? 'slow'
}

/** Tells whether the worker's script has run to its end: then it is installed. It becomes active when the earlier worker is no longer inspected. */
async function hasRun (devTools: DevTools, worker: Parameters<typeof attach>[1], outer: AbortSignal): Promise<boolean> {
  const signal = AbortSignal.any([outer, AbortSignal.timeout(ANSWER_MS)])
  try {
    const sessionId = await attach(devTools, worker, signal)
    const answer = await devTools.send('Runtime.evaluate', { expression: 'self.serviceWorker.state', returnByValue: true }, { sessionId, signal })
    await devTools.send('Target.detachFromTarget', { sessionId }, { signal })
    return STATES.includes(String((answer as { result?: { value?: unknown } }).result?.value))
  } catch (error) {
    if (outer.aborted) throw error
    return false // it has ended in the meantime, or is busy
  }
}
