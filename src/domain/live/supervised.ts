import type { ProgramName } from '#domain/programs/programs.ts'
import type { ServiceExit, SessionEvent } from './event.ts'

/** One session's programs, as their supervisor reads and controls them. */
export interface Programs {
  /** The session's programs. In a session of an earlier version some may be missing. */
  names: readonly ProgramName[]
  /** Whether the sandbox's init lives. */
  isAlive (): boolean
  /** The deaths that the sandbox's own supervisor noted since the last call. */
  nextExits (): ServiceExit[]
  isUp (name: ProgramName): Promise<boolean>
  /** Whether a signal has stopped the program. */
  isStopped (name: ProgramName): Promise<boolean>
  /** Whether the program answers its clients. */
  answers (name: ProgramName, signal: AbortSignal): Promise<boolean>
  /** Starts the program if it is down; resolves when it answers. */
  raise (name: ProgramName, signal: AbortSignal): Promise<void>
  /** Kills the program, to be started again. */
  kill (name: ProgramName, signal: AbortSignal): Promise<void>
  /** Kills the program and leaves it down. */
  down (name: ProgramName, signal: AbortSignal): Promise<void>
  lastLines (name: ProgramName, count: number): Promise<string[]>
}

export interface SupervisorOptions {
  programs: Programs
  /** The events that an earlier supervisor has published. */
  past: readonly SessionEvent[]
  tell: (event: Omit<SessionEvent, 'at'> & { at?: string }) => void
  /** Called for a failure that no event reports. */
  warn: (err: unknown, message: string) => void
  /** Called when a program that the session needs was given up; later, with false, when all such programs are back. */
  givenUp: (isGivenUp: boolean) => void
  /** Called once, when the sandbox's init is dead. */
  died: () => void
}
