import type { Problem } from '#domain/programs/problem.ts'
import type { SessionEvent } from '#domain/live/event.ts'

/** What a dev server says of the extension; see docs/templates.md. */
export interface Changes {
  version: number
  ok: boolean
  changed: string[]
  manifest?: string | undefined
  problems: Problem[]
}

/** An extension as a browser runs it: its id, and its manifest's text, where that is known. */
export interface Running { id: string, manifest?: string | undefined }

export interface Reloading { manifest: string | undefined, before: Running | undefined, pagesOnly: boolean }

export interface Reloaded {
  extension: Running | undefined
  tabs: number
  /** Ids of extensions from the same folder that are gone. */
  replaced: string[]
  /** Pages of the extension that could not be opened again. */
  closed: string[]
  refusal?: Problem | undefined
  /** Resolves when the reloaded tabs have loaded, or did not in time. */
  settled: Promise<void>
  /** Ids of service workers that are not the new one. */
  oldWorkers: string[]
}

/** What a pipeline can ask and do of one session. */
export interface Stations {
  /** How many pushes have been written. */
  version (): number
  /** Resolves when no push is being written. */
  written (): Promise<void>
  /** Starts programs again that were given up: the code may be what they died of. */
  revive (): Promise<void>
  /** What has changed since `after`; waits up to `waitMs` for a change. */
  changes (after: number, waitMs: number, signal: AbortSignal): Promise<Changes>
  reload (reloading: Reloading, signal: AbortSignal): Promise<Reloaded>
  /** Has Chromium forget what went wrong; nothing of the extension is heard until `listen`. */
  forgetErrors (id: string, signal: AbortSignal): Promise<void>
  /** Hears from now on of what goes wrong. */
  listen (signal: AbortSignal): Promise<void>
  errors (id: string, signal: AbortSignal): Promise<Problem[]>
  /** Without `asks`, the browser is not asked whether the worker failed. */
  workerSettled (id: string, old: string[], asks: boolean, signal: AbortSignal): Promise<'started' | 'failed' | 'slow'>
  /** Keeps what the browser runs, for the server after this one. */
  keep (state: Kept): void
  tell (event: Omit<SessionEvent, 'at'>): void
  warn (err: unknown, message: string): void
}

/** What the browser runs: the dev server's version, the extension, what Chromium refused instead of it, and what went wrong in it. */
export interface Kept { loaded: number, extension?: Running | undefined, refusal?: Problem | undefined, problems?: Problem[] | undefined, isWorkerUp?: boolean | undefined }

/** What has become of a push. */
export interface Outcome {
  /** The browser runs what was pushed, and the extension's worker has started. */
  loaded: boolean
  reloadMs: number
  /** Pages of the extension that the reload closed, and that could not be opened again. */
  closed: string[]
  problems: Problem[]
}
