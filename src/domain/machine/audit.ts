import { setTimeout as delay } from 'node:timers/promises'
import type { Session } from '#domain/session.ts'
import { portsOf } from './slots.ts'

/** A thing that a session can leave behind or lack, as text for operators. */
export interface Finding { kind: string, name: string }

/**
 * An existing thing of this instance. `owner` names its owner: a session's id, the name or the uid of its account,
 * another of `ownerKeys`, or `SERVER`; undefined for a thing that cannot have an owner.
 */
export interface Thing extends Finding {
  owner: string | number | undefined
  /** A thing that people have put in a place of this instance. It is named, and otherwise nobody's business. */
  isUnknown?: true
  /** Removes it. Called only when its owner is gone; safe when the thing is already gone. */
  repair?: ((signal: AbortSignal) => Promise<void>) | undefined
}

/** One kind of thing on the machine or in the server: the existing things, and those that a ready session implies. */
export interface Noun {
  noun: string
  observe (): Promise<Thing[]> | Thing[]
  implied? (session: Session): Promise<Finding[]> | Finding[]
}

/** The sessions that have not ended, and whether a server works on them: without one, only ready ones may have anything. */
export interface Known { live: Session[], isServed: boolean }

/** Leaked things, missing things, unknown things, which harm nothing, and the nouns that could not be read. */
export interface Audit {
  leaked: Thing[]
  missing: Finding[]
  unknown: Finding[]
  unseen: { noun: string, error: unknown }[]
}

/** Owner of the things that a running server has, with or without sessions. */
export const SERVER = 'server'

/** While sessions are made and ended, a finding counts only if it is found again after each of these pauses. */
const PAUSES_MS = [100, 400, 1000]

/**
 * Compares the existing things with those that the live sessions imply. Ready sessions must have all of them; sessions that
 * are being made or ended may have any of them. The sessions are read before and after the things. Findings are checked
 * again after each of `pausesMs`.
 */
export async function audit (nouns: Noun[], known: () => Known, signal: AbortSignal, pausesMs = PAUSES_MS): Promise<Audit> {
  let found = await look(nouns, known)
  for (const pause of pausesMs) {
    if (isClean(found)) break
    await delay(pause, undefined, { signal })
    found = inBoth(await look(nouns, known), found)
  }
  return found
}

export function isClean ({ leaked, missing, unseen }: Omit<Audit, 'unknown'>): boolean {
  return leaked.length + missing.length + unseen.length === 0
}

/** An audit as people get it: what is unknown is in it only when there is any. */
export function viewAudit ({ leaked, missing, unknown }: Audit): { leaked: Finding[], missing: Finding[], unknown?: Finding[] } {
  const show = ({ kind, name }: Finding) => ({ kind, name })
  return { leaked: leaked.map(show), missing: missing.map(show), ...(unknown.length > 0 && { unknown: unknown.map(show) }) }
}

/** All keys by which things name a session as their owner. */
export function ownerKeys ({ id, account, slot }: Session): (string | number)[] {
  const ports = portsOf(slot)
  return [id, account.name, account.uid, slotKey(slot.index), ...ports.map(portKey), ...ports.map(port => openPortKey(account.uid, port))]
}

export const slotKey = (index: number) => `slot ${index}`
export const portKey = (port: number) => `port ${port}`
export const openPortKey = (uid: number, port: number) => `${uid} . ${port}`

async function look (nouns: Noun[], known: () => Known): Promise<Audit> {
  const before = known()
  const unseen: Audit['unseen'] = []
  const seen = await Promise.all(nouns.map(async noun => {
    try {
      return { noun, things: await noun.observe() }
    } catch (error) {
      unseen.push({ noun: noun.noun, error })
      return undefined
    }
  }))
  const after = known()
  const owners = ownersOf([before, after])
  const ready = after.live.filter(({ id, state }) => state === 'ready' && before.live.some(session => session.id === id && session.state === 'ready'))
  const leaked: Thing[] = []
  const missing: Finding[] = []
  const unknown: Finding[] = []
  for (const { noun, things } of seen.filter(one => one !== undefined)) {
    unknown.push(...things.filter(({ isUnknown }) => isUnknown))
    leaked.push(...things.filter(({ owner, isUnknown }) => !isUnknown && (owner === undefined || !owners.has(owner))))
    const names = new Set(things.map(keyOf))
    const implied = await Promise.all(ready.map(async session => await noun.implied?.(session) ?? []))
    missing.push(...unique(implied.flat().filter(finding => !names.has(keyOf(finding)))))
  }
  return { leaked, missing, unknown, unseen }
}

function ownersOf (looks: Known[]): Set<string | number> {
  const sessions = looks.flatMap(({ live, isServed }) => live.filter(({ state }) => isServed || state === 'ready'))
  const isNeeded = sessions.length > 0 || looks.some(({ isServed }) => isServed)
  return new Set([...sessions.flatMap(ownerKeys), ...isNeeded ? [SERVER] : []])
}

function inBoth (now: Audit, earlier: Audit): Audit {
  const again = <T extends Finding> (found: T[], before: Finding[]) => {
    const keys = new Set(before.map(keyOf))
    return found.filter(finding => keys.has(keyOf(finding)))
  }
  return {
    leaked: again(now.leaked, earlier.leaked),
    missing: again(now.missing, earlier.missing),
    unknown: now.unknown,
    unseen: now.unseen.filter(({ noun }) => earlier.unseen.some(one => one.noun === noun))
  }
}

const keyOf = ({ kind, name }: Finding) => `${kind} ${name}`

function unique (findings: Finding[]): Finding[] {
  return [...new Map(findings.map(finding => [keyOf(finding), finding])).values()]
}
