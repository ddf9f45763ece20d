import type { SessionFacts, Slot, Template } from '#domain/session.ts'
import type { CrashLimit } from './crash-loop.ts'

/** What a program's command, environment and files are made of. */
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

/** A program that s6 runs in every session, as the session's user. `Name` are the names that the table has. */
export interface Program<Name extends string = string> {
  /** What a person calls it, at the start of a sentence. */
  title: string
  /** The step of a creation that starts it, and what a person reads meanwhile. Programs of one step start in the table's order. */
  step: { name: string, message: string }
  argv: (launch: Launch) => string[]
  /** Added to the account's basic environment. */
  env?: (launch: Launch) => Record<string, string>
  /** It runs in the home instead of `/`. */
  inHome?: true
  files?: (launch: Launch) => ProgramFile[]
  /** Where it serves HTTP: a port of the session's slot. It is ready, and well, when this path answers 2xx there. */
  answersAt?: { port: Exclude<keyof Slot, 'index'>, path: string }
  /** It writes a line to descriptor 3 when it is ready. */
  notifies?: true
  /** When it is given up. One that has no pause after a death is started again by s6 itself. */
  crashLimit: CrashLimit
  /** A session is no use without it: when it is given up, the session ends after EX10_GIVEN_UP_TIMEOUT. */
  isVital?: true
  /** Programs that it ends with: it is taken down and started again after them. All of them, also those of those. */
  needs: readonly Name[]
  /** At the end of a session it is not asked to end, and dies with the sandbox. */
  diesWithSandbox?: true
  /** People may read what it prints. */
  hasPublicLog?: true
}
