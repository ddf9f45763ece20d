/** What a session is, and the states that it goes through. Nothing here touches the machine. */

import { LOCAL_USER } from './principal.ts'

export const STATES = ['creating', 'ready', 'stopping', 'ended', 'failed'] as const

/** `creating → ready → stopping → ended`, or `creating → failed`. */
export type SessionState = typeof STATES[number]

/** The states of a session of which nothing is left but its record. */
export const END_STATES = ['ended', 'failed'] as const satisfies SessionState[]
export type EndState = typeof END_STATES[number]

export function hasEnded (state: SessionState): state is EndState {
  return (END_STATES as readonly SessionState[]).includes(state)
}

export const END_REASONS = ['deleted', 'failed', 'client-gone', 'crashed', 'shutdown', 'recovered', 'evicted', 'idle', 'expired', 'never-used', 'killed', 'violation'] as const

/** Why a session ended; kept in the registry. */
export type EndReason = typeof END_REASONS[number]

/** A number that owns three ports on 127.0.0.1. */
export interface Slot {
  index: number
  displayPort: number
  devServerPort: number
  devToolsPort: number
}

/** The session's Linux account; `gid` is the group `ex10`. */
export interface Account {
  name: string
  uid: number
  gid: number
  home: string
}

export const TEMPLATE_KINDS = ['plain', 'bundled', 'project'] as const

/**
 * What becomes of the sources: `plain`, Chromium loads them as they are; `bundled`, a bundler of ours makes the extension
 * from them; `project`, their own build does.
 */
export type TemplateKind = typeof TEMPLATE_KINDS[number]

/** A starting extension. The folders are relative to the session's home. */
export interface Template {
  name: string
  title: string
  description: string
  kind: TemplateKind
  /** The dev server's folder in `dev-servers/`; templates may share one. */
  devServer: string
  /** argv of the dev server, run in the home; `$PORT` stands for its port, `$STORE` for the folder that it was installed in. */
  dev: string[]
  /** argv that builds `$SOURCE` into `$OUT` for a store, in the home; absent where `extensionDir` is as a store takes it. */
  release?: string[]
  sourceDir: string
  /** What Chromium loads; the same folder as `sourceDir` when the template is plain. */
  extensionDir: string
}

/** Who asked for a session. */
export interface Requester {
  user: string
  /** Where from; the port is not known where a proxy speaks for them. */
  address: string
  port?: number
  /** Whether they showed who they are: nobody has to where all are the local user. */
  isAuthenticated: boolean
}

/**
 * What is decided before anything is made: from these facts alone, everything that the session owns can be found
 * and undone, by this server or by the next one.
 */
export interface SessionFacts {
  id: string
  slot: Slot
  account: Account
  template: string
  /** The template's dev server when the session was made; those of an earlier version were none. */
  devServer?: string
  width: number
  height: number
  createdAt: Date
  /** The user whose session it is. */
  owner: string
  /** Where they asked for it from; empty when an earlier version made it. The port is absent then, too, and where a proxy spoke for them. */
  address: string
  port?: number
  isAuthenticated: boolean
}

/** Reads facts from their JSON; those of a server that knew no users are of the local one. */
export function parseFacts (json: string): SessionFacts {
  const facts = JSON.parse(json) as SessionFacts
  const owner = facts.owner ?? LOCAL_USER
  return { ...facts, owner, address: facts.address ?? '', isAuthenticated: facts.isAuthenticated ?? owner !== LOCAL_USER, createdAt: new Date(facts.createdAt) }
}

/** A session as the registry knows it. */
export interface Session extends SessionFacts {
  state: SessionState
  /** How many pushes of code it has taken. */
  version: number
  /** Why its end began, once it has. */
  reason?: EndReason
}

/** A session's record: those that have ended are kept for a while. */
export interface SessionRecord extends Session {
  endedAt?: Date
}
