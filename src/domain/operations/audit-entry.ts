import { createHash, randomBytes } from 'node:crypto'
import { FIRST_LINK, linkOf, type AuditedDeed } from './audit-log.ts'
import type { AuditLogEntry } from './audit-log-store.ts'

/**
 * How entries are kept. The hash of an entry covers its text. Of the people, the text has commitments alone: hashes of what
 * is kept beside it, with a random salt. What is kept beside it can be erased, and the text and the chain stay as they are.
 */

/** The people of an entry: the user who acted, and the one whom the action concerns. */
export const ROLES = ['actor', 'subject'] as const
export type PersonRole = typeof ROLES[number]

/** What is kept beside an entry's text, as JSON, until it is erased. */
export type Persons = Partial<Record<PersonRole, string>>
export interface KeptEntry { seq: number, text: string, hash: string, persons: Persons }

/** What an entry says of a person. */
interface Person { salt: string, user?: string, address?: string, port?: number, target?: string, details?: Record<string, string> }

type Commitments = Partial<Record<PersonRole, string>>
/** The text of an entry. Those of earlier versions have the whole deed, and no commitments. */
type Text = Partial<AuditedDeed> & { at: string, persons?: Commitments }

/** Stands in the place of an erased user's name. No user has it. */
export const ERASED_USER = 'erased'

/** The text of a new entry, and its people. */
export function writeEntry (deed: AuditedDeed, at: Date): { text: string, persons: Persons } {
  const { user, address, port, action, target, details = {} } = deed
  const isUser = isUserTarget(deed)
  const named = Object.entries(details).filter(([name]) => NAMES.includes(name)).map(([name, value]) => [name, String(value)])
  const others = Object.entries(details).filter(([name]) => !NAMES.includes(name))
  const salted = (person: Omit<Person, 'salt'>) => JSON.stringify({ salt: randomBytes(16).toString('base64url'), ...person } satisfies Person)
  const persons: Persons = {
    actor: salted({ user, ...(address !== undefined && { address }), ...(port !== undefined && { port }) }),
    ...((isUser || named.length > 0) && { subject: salted({ ...(isUser && { target: target! }), ...(named.length > 0 && { details: Object.fromEntries(named) }) }) })
  }
  const text: Text = {
    at: at.toISOString(),
    action,
    ...(target !== undefined && !isUser && { target }),
    ...(others.length > 0 && { details: Object.fromEntries(others) }),
    persons: commitmentsOf(persons)
  }
  return { text: JSON.stringify(text), persons }
}

/** The entry as its readers see it. */
export function readEntry ({ seq, text, hash, persons }: KeptEntry): AuditLogEntry {
  const { at, user, address, port, action, target, details, persons: commitments = {} } = JSON.parse(text) as Text
  const actor = personIn(persons.actor)
  const subject = personIn(persons.subject)
  const isErased = user === ERASED_USER || ROLES.some(role => commitments[role] !== undefined && persons[role] === undefined)
  const shown = {
    at,
    user: actor.user ?? user ?? ERASED_USER,
    address: actor.address ?? address,
    port: actor.port ?? port,
    action,
    target: subject.target ?? target,
    details: subject.details ? { ...subject.details, ...details } : details,
    erased: isErased ? true : undefined
  }
  return { seq, ...Object.fromEntries(Object.entries(shown).filter(([, value]) => value !== undefined)), hash } as AuditLogEntry
}

/** The people of the entry who are this user. */
export function rolesOf (user: string, { text, persons }: Pick<KeptEntry, 'text' | 'persons'>): PersonRole[] {
  const { actor, subject } = { actor: personIn(persons.actor), subject: personIn(persons.subject) }
  const roles: PersonRole[] = []
  if (actor.user === user) roles.push('actor')
  if (subject.target === user || Object.values(subject.details ?? {}).includes(user)) roles.push('subject')
  return roles
}

/** The text of an earlier version's entry without what it says of this user; undefined when it says nothing, or is of this version. */
export function erasedText (user: string, text: string): string | undefined {
  const deed = JSON.parse(text) as Text
  if (deed.persons) return undefined
  const isActor = deed.user === user
  const isTarget = deed.target === user && isUserTarget(deed as AuditedDeed)
  const isNamed = NAMES.some(name => deed.details?.[name] === user)
  if (!isActor && !isTarget && !isNamed) return undefined
  if (isActor) {
    deed.user = ERASED_USER
    delete deed.address
    delete deed.port
  }
  if (isTarget) delete deed.target
  if (isNamed) deed.details = Object.fromEntries(Object.entries(deed.details ?? {}).filter(([name, value]) => !(NAMES.includes(name) && value === user)))
  return JSON.stringify(deed)
}

/**
 * The deeds that vouch for rewritten entries of an earlier version: their own hashes no longer fit their texts. These entries,
 * which the chain covers, say which those are and what they read now.
 */
export function vouchersFor (rewritten: { seq: number, text: string }[]): AuditedDeed[] {
  const deeds: AuditedDeed[] = []
  for (let at = 0; at < rewritten.length; at += VOUCHED_AT_ONCE) {
    const entries = rewritten.slice(at, at + VOUCHED_AT_ONCE).map(({ seq, text }) => `${seq}:${digestOf(text)}`).join(' ')
    deeds.push({ user: 'server', action: 'audit-log.erased', details: { entries } })
  }
  return deeds
}

/** Checks a log: give it every entry, from the first to the last. */
export class ChainCheck {
  #link = { seq: 0, hash: FIRST_LINK }
  /** Entries of an earlier version whose text does not fit their hash: a later entry must vouch for them. */
  readonly #unfit = new Map<number, string>()
  #broken = Infinity

  next (entry: KeptEntry): void {
    const seq = this.#link.seq + 1
    const text = textIn(entry.text)
    if (entry.seq !== seq || !text || !arePersonsRight(text, entry.persons)) this.#breakAt(seq)
    else if (entry.hash !== linkOf(this.#link.hash, seq, entry.text)) {
      if (text.persons) this.#breakAt(seq)
      else this.#unfit.set(seq, entry.text)
    } else if (text.action === 'audit-log.erased') this.#vouch(text)
    this.#link = { seq, hash: entry.hash }
  }

  /** The number of the first broken entry; undefined when there is none. */
  firstBroken (): number | undefined {
    const first = Math.min(this.#broken, ...this.#unfit.keys())
    return first === Infinity ? undefined : first
  }

  #breakAt (seq: number): void {
    this.#broken = Math.min(this.#broken, seq)
  }

  #vouch ({ details }: Text): void {
    for (const entry of String(details?.entries ?? '').split(' ')) {
      const [seq = '', digest] = entry.split(':')
      const text = this.#unfit.get(Number(seq))
      if (text !== undefined && digestOf(text) === digest) this.#unfit.delete(Number(seq))
    }
  }
}

/** Names of details that are users' names. */
const NAMES = ['owner', 'user']
const VOUCHED_AT_ONCE = 100

/** Actions on a user have the user's name as their target. */
function isUserTarget ({ action, target, user }: AuditedDeed): boolean {
  return target !== undefined && (action.startsWith('user.') || target === user)
}

function personIn (json: string | undefined): Partial<Person> {
  return json === undefined ? {} : JSON.parse(json) as Person
}

function commitmentsOf (persons: Persons): Commitments {
  return Object.fromEntries(Object.entries(persons).map(([role, json]) => [role, digestOf(json)]))
}

/** Each person that is there is the one that the text commits to; an erased one is not there. */
function arePersonsRight ({ persons: commitments = {} }: Text, persons: Persons): boolean {
  const found = commitmentsOf(persons)
  return ROLES.every(role => found[role] === undefined || found[role] === commitments[role])
}

function textIn (text: string): Text | undefined {
  try {
    return JSON.parse(text) as Text
  } catch {
    return undefined
  }
}

function digestOf (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
