import type { Failpoint } from './failpoint.ts'
import type { EndReason, Session, SessionFacts } from '#domain/session.ts'
import type { UndoStack } from './undo-stack.ts'

/** A session that is being made. */
export interface Begun {
  failpoint: Failpoint
  /** Aborts when the session is ended. */
  signal: AbortSignal
  /**
   * Writes that the session is ready; from then on it is watched, and takes code and viewers.
   * @throws the reason of `signal`, or of the session's own signal, when it was aborted before: then the session never becomes ready
   */
  commit (signal: AbortSignal): Promise<void>
  /** Undoes the session, unless that has been done. Failed undos are logged for the operator. */
  fail (reason: EndReason): Promise<void>
}

export interface Sessions {
  /**
   * An undo stack for a session to be made. Its first entry releases the session's reservation. Run it, or pass it to
   * `begin`.
   */
  newUndo (id: string): UndoStack
  /** Adds a session to be made, with its undo stack: from now on it can be ended. */
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
   * @throws {Ex10Error} EX10_SESSION_NOT_FOUND; any other error means that something is left, and the next call tries again
   */
  end (id: string, reason: EndReason): Promise<void>
  /** Ends sessions, several at a time. Resolves when all have been tried; failures are logged. */
  endAll (ids: string[], reason: EndReason): Promise<void>
  /** Tries once more to end the sessions whose teardown has failed. Resolves when all have been tried; failures are logged. */
  retry (): Promise<void>
  /** When the server closes: ends all sessions except those that stay for the next start. Resolves when all have been tried; can be called again. */
  shutDown (): Promise<void>
}
