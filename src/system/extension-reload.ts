import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { connectDevTools, type DevTools } from './devtools.ts'

/** What a build changed, and so what has to be reloaded. */
export interface Reload {
  /** Only the extension's own pages: Chromium reads them from disk each time, so the extension itself can stay. */
  pagesOnly: boolean
  /** The extension has a service worker. */
  worker: boolean
}

/** Chromium refuses the extension: its words, which are about the person's manifest. */
export class ExtensionRefused extends Error {
  override readonly name = 'ExtensionRefused'
}

const Loaded = Type.Object({ id: Type.String({ pattern: '^[a-p]{32}$' }) })
const TargetInfo = Type.Object({ targetId: Type.String(), type: Type.String(), url: Type.String() })
const Targets = Type.Object({ targetInfos: Type.Array(TargetInfo) })
const Attached = Type.Object({ sessionId: Type.String() })

const LOAD_MS = 5000
/** More than these, of 256 characters each, are not a browser's words. */
const MAX_WORKERS = 100
const WORKER_MS = 1000
const TAB_MS = 2000

/**
 * Makes the running browser use what was built: loads the extension again in place, then reloads the open tabs. Returns
 * false when the extension's service worker did not start.
 * @throws {ExtensionRefused}
 */
export async function reloadExtension (port: number, extensionDir: string, { pagesOnly, worker }: Reload, signal: AbortSignal): Promise<boolean> {
  const devTools = await connectDevTools(port, signal)
  try {
    const started = pagesOnly || await load(devTools, extensionDir, worker, signal)
    await reloadTabs(devTools, pagesOnly ? /^chrome-extension:/ : /^(https?|file|chrome-extension):/, signal)
    return started
  } finally {
    devTools.close()
  }
}

/** `Extensions.loadUnpacked` on a path that is loaded already replaces the extension. */
async function load (devTools: DevTools, path: string, worker: boolean, signal: AbortSignal): Promise<boolean> {
  const workers: string[] = []
  const born = Promise.withResolvers<void>()
  await devTools.send('Target.setDiscoverTargets', { discover: true }, { signal })
  // from here on, a new service worker is one that this load started
  devTools.listen(({ method, params }) => {
    if (method !== 'Target.targetCreated' || params?.targetInfo?.type !== 'service_worker') return
    if (workers.length < MAX_WORKERS) workers.push(String(params.targetInfo.url).slice(0, 256))
    born.resolve()
  })
  let id: string
  try {
    id = Value.Decode(Loaded, await devTools.send('Extensions.loadUnpacked', { path }, { signal: within(LOAD_MS, signal) })).id
  } catch (cause) {
    throw new ExtensionRefused((cause as Error).message, { cause })
  }
  if (!worker) return true
  // a tab reloaded earlier would send its messages to nobody
  const timeout = AbortSignal.timeout(WORKER_MS)
  timeout.addEventListener('abort', () => born.resolve())
  await born.promise
  return workers.some(url => url.startsWith(`chrome-extension://${id}/`))
}

async function reloadTabs (devTools: DevTools, which: RegExp, signal: AbortSignal): Promise<void> {
  const { targetInfos } = Value.Decode(Targets, await devTools.send('Target.getTargets', {}, { signal }))
  const tabs = targetInfos.filter(({ type, url }) => type === 'page' && which.test(url))
  // a tab that closes meanwhile, or shows a dialog, does not keep the others from being reloaded
  await Promise.allSettled(tabs.map(tab => reloadTab(devTools, tab, within(TAB_MS, signal))))
}

async function reloadTab (devTools: DevTools, { targetId }: Static<typeof TargetInfo>, signal: AbortSignal): Promise<void> {
  const { sessionId } = Value.Decode(Attached, await devTools.send('Target.attachToTarget', { targetId, flatten: true }, { signal }))
  await devTools.send('Page.reload', {}, { sessionId, signal })
  await devTools.send('Target.detachFromTarget', { sessionId }, { signal })
}

function within (ms: number, signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(ms)])
}
