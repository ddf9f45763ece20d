import type { Problem } from '#domain/programs/problem.ts'
import type { SessionEvent } from '#domain/live/event.ts'

/** A dev server's answer about the extension; see docs/templates.md. */
export interface Changes {
  version: number
  ok: boolean
  changed: string[]
  manifest?: string | undefined
  problems: Problem[]
}

/** An extension in a browser: its id, and its manifest's text, where known. */
export interface Running { id: string, manifest?: string | undefined }

export interface Reloading { manifest: string | undefined, before: Running | undefined, pagesOnly: boolean }

export interface Reloaded {
  extension: Running | undefined
  tabs: number
  /** Ids of removed extensions from the same folder. */
  replaced: string[]
  /** Pages of the extension that could not be opened again. */
  closed: string[]
  refusal?: Problem | undefined
  /** Resolves when the reloaded tabs have loaded, or their time is over. */
  settled: Promise<void>
  /** Ids of the service workers from before the reload. */
  oldWorkers: string[]
}

/** The parts of one session that a pipeline uses. */
export interface Stations {
  /** The number of pushes that have been written. */
  version (): number
  /** Resolves when no push is being written. */
  written (): Promise<void>
  /** After a push, restarts given-up programs: earlier code may have caused their end. */
  revive (): Promise<void>
  /** The changes since `after`; waits up to `waitMs` for one. */
  changes (after: number, waitMs: number, signal: AbortSignal): Promise<Changes>
  reload (reloading: Reloading, signal: AbortSignal): Promise<Reloaded>
  /** Clears Chromium's list of the extension's errors. Its reports stop until `listen`. */
  forgetErrors (id: string, signal: AbortSignal): Promise<void>
  /** Receives Chromium's reports of errors from now on. */
  listen (signal: AbortSignal): Promise<void>
  errors (id: string, signal: AbortSignal): Promise<Problem[]>
  /** Waits for the worker's start. Without `asks`, it does not ask the browser whether the worker failed. */
  workerSettled (id: string, old: string[], asks: boolean, signal: AbortSignal): Promise<'started' | 'failed' | 'slow'>
  /** Saves the browser's state for the next server. */
  keep (state: Kept): void
  /** The browser runs this version, and its worker has started. */
  confirm (version: number, reloadMs: number): void
  tell (event: Omit<SessionEvent, 'at'>): void
  warn (err: unknown, message: string): void
}

/** The saved state of the browser: the dev server's version, the extension, Chromium's refusal of a newer one, and the problems at run time. */
export interface Kept { loaded: number, extension?: Running | undefined, refusal?: Problem | undefined, problems?: Problem[] | undefined, isWorkerUp?: boolean | undefined }

/** The outcome of a push. */
export interface Outcome {
  /** The browser runs the pushed code, and the extension's worker has started. */
  loaded: boolean
  reloadMs: number
  /** Pages of the extension that the reload closed and that could not be opened again. */
  closed: string[]
  problems: Problem[]
}
