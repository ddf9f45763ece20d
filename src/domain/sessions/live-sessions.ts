import type { Failpoint } from './failpoint.ts'
import type { EndReason, Session, SessionFacts } from '#domain/session.ts'
import type { UndoStack } from './undo-stack.ts'

/** A session that is being made. */
export interface Begun {
  failpoint: Failpoint
  /** Aborts when somebody ends the session. */
  signal: AbortSignal
  /**
   * Writes that the session is ready; from then on it is watched, and takes code and viewers.
   * @throws the reason of `signal`, or of the session's own, when that was aborted before: then the session is not ready, and never will be
   */
  commit (signal: AbortSignal): Promise<void>
  /** Undoes the session, unless that has been done. What cannot be undone is for the operator: it is logged. */
  fail (reason: EndReason): Promise<void>
}

export interface Sessions {
  /**
   * An undo stack for a session that asks to be made; first on it is the release of all that is reserved for the session.
   * Run it, or hand it to `begin`.
   */
  newUndo (id: string): UndoStack
  /** Takes charge of a session that is going to be made, and of what undoes it: from now on it can be ended. */
  begin (facts: SessionFacts, undo: UndoStack): Begun
  /** A session that has not ended. @throws {Ex10Error} EX10_SESSION_NOT_FOUND */
  get (id: string): Session
  /** A session that takes code and viewers. @throws {Ex10Error} EX10_SESSION_NOT_FOUND, EX10_SESSION_NOT_READY */
  ready (id: string): Session
  list (): Session[]
  /** Calls `listener` when a session begins to end, before anything of it is undone. `listener` must not throw. */
  onEnding (listener: (facts: SessionFacts, reason: EndReason) => void): void
  /**
   * Ends the session; resolves when nothing of it is left on the machine. Calls at the same time join one teardown.
   * @throws {Ex10Error} EX10_SESSION_NOT_FOUND; any other error means that something is left, and calling again tries again
   */
  end (id: string, reason: EndReason): Promise<void>
  /** Ends sessions, some side by side. Resolves when all have been tried; what fails is logged. */
  endAll (ids: string[], reason: EndReason): Promise<void>
  /** Ends the sessions whose teardown has failed once more. Resolves when all have been tried; what fails again is logged. */
  retry (): Promise<void>
  /** At the end of the server: ends all sessions but those that stay for the next start. Resolves when all have been tried; can be called again. */
  shutDown (): Promise<void>
}
