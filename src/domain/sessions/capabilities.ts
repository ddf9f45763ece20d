import type { FileChange } from '#domain/code/file-changes.ts'
import type { ProgramStep } from '#domain/programs/programs.ts'
import type { Account, SessionFacts, Template } from '#domain/session.ts'

/**
 * What a creation needs of the machine: one interface a plugin. All that undo (`remove…`, `close`, `kill`, `stop`,
 * `release`) are idempotent and need nothing but the session's facts, so that they serve a half-made session and one
 * left by an earlier server as well. They verify that the thing is gone before they resolve; only `stop` leaves that to
 * the kill of the sandbox, which follows. Signals abort the wait, and the work where it can be.
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
  /** Makes the home, with its size, while no process of the uid exists. */
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
  /** Removes the cgroups of a sandbox that is dead. Its folder tells of the session until all else is undone. */
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

/** What a session begins with in the place of its template's files: the person's own. */
export type FirstFiles = { changes: FileChange[] } | { archive: () => AsyncIterable<Uint8Array> }

export interface CodeUpdates {
  /** Copies the template's files, or the person's own, into the session, as the session's user. */
  install (facts: SessionFacts, template: Template, own: FirstFiles | undefined, signal: AbortSignal): Promise<void>
  /** Has the browser load the extension for the first time. */
  begin (facts: SessionFacts, template: Template, isOwn: boolean, signal: AbortSignal): Promise<void>
  /** Ends the session's file writer, and lets its browser go. */
  stop (facts: SessionFacts): void
}

export interface Registry {
  /** Writes the intent, durably, before anything is made: the record, and in the session's folder what it was made from. */
  record (facts: SessionFacts): Promise<void>
  /** Removes the session's folder. The record stays: it tells how the session ended. */
  forget (facts: SessionFacts): void
}
