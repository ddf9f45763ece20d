import type { FileChange } from '#domain/code/file-changes.ts'
import type { ProgramStep } from '#domain/programs/programs.ts'
import type { Account, SessionFacts, Template } from '#domain/session.ts'

/**
 * The parts of the machine that a creation needs: one interface for each plugin. All undoing methods (`remove…`, `close`,
 * `kill`, `stop`, `release`) are idempotent and need only the session's facts, so that they also undo a half-made session
 * and one of an earlier server. They verify that the thing is gone before they resolve. Only `stop` leaves that to the kill
 * of the sandbox, which follows. Signals abort the wait, and the work where that is possible.
 */
export interface Capabilities {
  linuxUsers: LinuxUsers
  homes: Homes
  firewall: Firewall
  sandboxes: Sandboxes
  programs: Programs
  codeUpdates: CodeUpdates
  registry: Registry
}

export interface LinuxUsers {
  /** Makes the account: locked password, nologin, no subuids. */
  create (account: Account, signal: AbortSignal): Promise<void>
  remove (account: Account): Promise<void>
}

export interface Homes {
  /** Makes the home, of the configured size, while no process of the uid exists. */
  create (account: Account, signal: AbortSignal): Promise<void>
  /** Removes the home; call it only when no process of the uid is left. */
  remove (account: Account, signal: AbortSignal): Promise<void>
}

export interface Firewall {
  /** Opens the session's own three ports to it, and reads back that this and the rest of the table are in force. */
  open (facts: SessionFacts, signal: AbortSignal): Promise<void>
  close (facts: SessionFacts, signal: AbortSignal): Promise<void>
}

export interface Sandboxes {
  /** Starts the sandbox's init: namespaces, private mounts (the template's dev server is one), limits; no process of the uid yet. */
  create (facts: SessionFacts, template: Template, signal: AbortSignal): Promise<void>
  /** Kills the init and all below it; resolves when no process of the uid is left on the machine. */
  kill (facts: SessionFacts, signal: AbortSignal): Promise<void>
  /** Removes the cgroups of a dead sandbox. Its folder stays until everything else has been undone: it records the session. */
  remove (facts: SessionFacts, signal: AbortSignal): Promise<void>
}

export interface Programs {
  /**
   * Starts the programs of the step, one after the other; resolves when the last one answers: a dev server when its first
   * build has been written, too. Chromium needs the display, and the extension's files.
   */
  start (facts: SessionFacts, step: ProgramStep, template: Template, signal: AbortSignal): Promise<void>
  stop (facts: SessionFacts, step: ProgramStep, signal: AbortSignal): Promise<void>
}

/** The user's own first files of a session, in place of its template's. With `isExact`, the names in the archive are the paths, and no file is left out. */
export type FirstFiles = { changes: FileChange[] } | { archive: () => AsyncIterable<Uint8Array>, isExact?: true }

export interface CodeUpdates {
  /** Copies the template's files, or the user's own, into the session, with the session's account. */
  install (facts: SessionFacts, template: Template, own: FirstFiles | undefined, signal: AbortSignal): Promise<void>
  /** Has the browser load the extension for the first time. */
  begin (facts: SessionFacts, template: Template, isOwn: boolean, signal: AbortSignal): Promise<void>
  /** Stops the session's file writer, and closes the channel to its browser. */
  stop (facts: SessionFacts): void
}

export interface Registry {
  /** Writes the intent, durably, before anything is made: the record, and the facts in the session's folder. */
  record (facts: SessionFacts): Promise<void>
  /** Removes the session's folder. The record stays, with the session's end. */
  forget (facts: SessionFacts): void
}
