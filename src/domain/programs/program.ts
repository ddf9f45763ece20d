import type { SessionFacts, Slot, Template } from '#domain/session.ts'
import type { CrashLimit } from './crash-loop.ts'

/** The input of a program's command, environment and files. */
export interface Launch {
  facts: SessionFacts
  template: Template
  /** The folder that the template's dev server was installed in, as the sandbox names it. */
  store: string
  /** The npm registry that projects install from; empty: npm's default. */
  npmRegistry: string
}

/** A file that a program finds in the home when it starts; its path is relative to the home. */
export interface ProgramFile { path: string, content: Buffer }

/** A program that s6 runs in every session, as the session's user. `Name` is the type of the table's names. */
export interface Program<Name extends string = string> {
  /** Its name for people, as the start of a sentence. */
  title: string
  /** The step of a creation that starts it, and that step's progress message. Programs of one step start in the table's order. */
  step: { name: string, message: string }
  argv: (launch: Launch) => string[]
  /** Added to the account's basic environment. */
  env?: (launch: Launch) => Record<string, string>
  /** It runs in the home instead of `/`. */
  inHome?: true
  files?: (launch: Launch) => ProgramFile[]
  /** The port of the session's slot on which it serves HTTP. It is ready, and well, when this path answers 2xx there. */
  answersAt?: { port: Exclude<keyof Slot, 'index'>, path: string }
  /** It writes a line to descriptor 3 when it is ready. */
  notifies?: true
  /** When it is given up. s6 itself restarts a program that has no pause after a death. */
  crashLimit: CrashLimit
  /** The session needs it: when it is given up, the session ends after EX10_GIVEN_UP_TIMEOUT. */
  isVital?: true
  /** The programs that it depends on, directly or indirectly. When one of them ends, it is taken down and restarted after that one. */
  needs: readonly Name[]
  /** At the end of a session it is not stopped, and ends with the sandbox. */
  diesWithSandbox?: true
  /** Clients may read its output. */
  hasPublicLog?: true
}
