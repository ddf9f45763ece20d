/** A session's facts, and the states that it goes through. Nothing here touches the machine. */

import { LOCAL_USER } from './principal.ts'

export const STATES = ['creating', 'ready', 'stopping', 'ended', 'failed'] as const

/** `creating → ready → stopping → ended`, or `creating → failed`. */
export type SessionState = typeof STATES[number]

/** The states of a session of which only the record is left. */
export const END_STATES = ['ended', 'failed'] as const satisfies SessionState[]
export type EndState = typeof END_STATES[number]

export function hasEnded (state: SessionState): state is EndState {
  return (END_STATES as readonly SessionState[]).includes(state)
}

export const END_REASONS = ['deleted', 'failed', 'client-gone', 'crashed', 'shutdown', 'recovered', 'evicted', 'idle', 'expired', 'never-used', 'killed', 'violation', 'drained'] as const

/** The reason of a session's end; kept in the registry. */
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
 * The way from the sources to the extension. `plain`: Chromium loads the sources themselves. `bundled`: the server's bundler
 * builds the extension. `project`: the sources' own build does.
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
  /** argv that builds `$SOURCE` into `$OUT` for a store, in the home; absent when a store accepts `extensionDir` itself. */
  release?: string[]
  sourceDir: string
  /** The folder that Chromium loads; for a plain template it is `sourceDir`. */
  extensionDir: string
}

/** The user whose request creates a session. */
export interface Requester {
  user: string
  /** The client's address. Its port is unknown behind a proxy. */
  address: string
  port?: number
  /** False with EX10_AUTH=none, where every request is the local user's. */
  isAuthenticated: boolean
  context?: ClientContext
}

/** What a client says of itself when it creates a session. None of it is checked. */
export interface ClientContext {
  userAgent?: string
  /** Without user, password, query and fragment, which may hold secrets. */
  referrer?: string
  /** The language that the client prefers, as in `de-CH`. */
  locale?: string
}

/** The marks of a request with an Idempotency-Key, by which a repeated one is known. Nothing of the request can be read from them. */
export interface KeyedRequest {
  /** A hash of the user and of the key: each user has keys of their own. */
  key: string
  /** A hash of the body. */
  fingerprint: string
}

/**
 * The facts that are decided before anything is made. From them alone, this server or the next one can find and undo
 * everything that the session owns.
 */
export interface SessionFacts {
  id: string
  slot: Slot
  account: Account
  template: string
  /** The template's dev server when the session was made; absent in sessions of earlier versions. */
  devServer?: string
  width: number
  height: number
  createdAt: Date
  /** The session's user. */
  owner: string
  /** The address of the client that created the session; empty in sessions of earlier versions. The port is absent there, too, and behind a proxy. */
  address: string
  port?: number
  isAuthenticated: boolean
  /** The marks of the request that created the session, if it had an Idempotency-Key. */
  request?: KeyedRequest
  /** The earlier session that it goes on from, and the time from which, in ISO format: what happened later is lost. */
  recoveredFrom?: string
  recoveredAt?: string
  /** Its recovery points hold its browser's profile. */
  keepsProfile?: true
}

/** Reads facts from their JSON. Facts of a version without users belong to the local user. */
export function parseFacts (json: string): SessionFacts {
  const facts = JSON.parse(json) as SessionFacts
  const owner = facts.owner ?? LOCAL_USER
  return { ...facts, owner, address: facts.address ?? '', isAuthenticated: facts.isAuthenticated ?? owner !== LOCAL_USER, createdAt: new Date(facts.createdAt) }
}

/** A session as the registry knows it. */
export interface Session extends SessionFacts {
  state: SessionState
  /** The number of pushes to the session. */
  version: number
  /** The reason of its end, set when the end begins. */
  reason?: EndReason
}

/** A session whose creation has completed, however it went on. */
export interface CompletedCreation { facts: SessionFacts, completedAt: Date }

/** A session's record. Records of ended sessions are kept for a while. */
export interface SessionRecord extends Session {
  endedAt?: Date
}
