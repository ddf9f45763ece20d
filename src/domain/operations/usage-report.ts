import type { Summary } from './ended-sessions.ts'

export const PERIODS = { hour: 3_600_000, day: 86_400_000, week: 7 * 86_400_000, month: 30 * 86_400_000 } as const
export type Period = keyof typeof PERIODS

/** The sessions of a template or a user. `seconds` is the time within the period in which they were ready. */
export interface Share { name: string, sessions: number, failed: number, seconds: number }

/** Sums over the sessions that lived in a period, or failed in it. */
export interface UsageReport {
  from: string
  to: string
  active: number
  total: number
  ended: number
  failed: number
  peak: number
  users: number
  /** Of the sessions that ended in the period, in seconds; absent without one. */
  durations?: { mean: number, p50: number, p95: number }
  failures: { reason: string, count: number }[]
  ends: { reason: string, count: number }[]
  byTemplate: Share[]
  byUser: Share[]
}

/** The most users in a report: those with the most sessions. */
export const MAX_USERS = 1000

/** Collects the sessions of a period, one by one. */
export class UsageCount {
  readonly #from: number
  readonly #to: number
  readonly #durations: number[] = []
  readonly #changes: [at: number, by: 1 | -1][] = []
  readonly #reasons = { failed: new Map<string, number>(), ended: new Map<string, number>() }
  readonly #shares = { template: new Map<string, Share>(), user: new Map<string, Share>() }
  #active = 0
  #total = 0

  constructor (from: number, to: number) {
    this.#from = from
    this.#to = to
  }

  /** A session that has not ended. */
  addLive ({ owner, template, begunAt }: { owner: string, template: string, begunAt: number }): void {
    this.#active++
    this.#addTime({ owner, template }, begunAt, this.#to)
  }

  /** A session that has ended. It counts if it lived in the period. */
  addEnded ({ owner, template, begunAt, endedAt, state, reason, durationMs }: Summary): void {
    const end = Date.parse(endedAt)
    if (end < this.#from || end > this.#to) return
    const reasons = this.#reasons[state]
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
    if (state === 'ended') {
      this.#durations.push(durationMs / 1000)
      this.#addTime({ owner, template }, Date.parse(begunAt), end)
      return
    }
    this.#total++
    for (const share of this.#sharesOf({ owner, template })) share.failed++
  }

  report (): UsageReport {
    const [failed, ended] = [sumOf(this.#reasons.failed), sumOf(this.#reasons.ended)]
    return {
      from: new Date(this.#from).toISOString(),
      to: new Date(this.#to).toISOString(),
      active: this.#active,
      total: this.#total,
      ended,
      failed,
      peak: peakOf(this.#changes),
      users: this.#shares.user.size,
      ...(ended > 0 && { durations: spreadOf(this.#durations) }),
      failures: countsOf(this.#reasons.failed),
      ends: countsOf(this.#reasons.ended),
      byTemplate: sharesOf(this.#shares.template),
      byUser: sharesOf(this.#shares.user).slice(0, MAX_USERS)
    }
  }

  #addTime (of: { owner?: string | undefined, template: string }, begunAt: number, endedAt: number): void {
    const from = Math.min(Math.max(begunAt, this.#from), endedAt) // a clock that was set back ends sessions before they began
    this.#total++
    this.#changes.push([from, 1], [endedAt, -1])
    for (const share of this.#sharesOf(of)) {
      share.sessions++
      share.seconds += (endedAt - from) / 1000
    }
  }

  #sharesOf ({ owner, template }: { owner?: string | undefined, template: string }): Share[] {
    const of = (shares: Map<string, Share>, name: string | undefined) => {
      if (name === undefined) return [] // an erased user
      const share = shares.get(name) ?? { name, sessions: 0, failed: 0, seconds: 0 }
      shares.set(name, share)
      return [share]
    }
    return [...of(this.#shares.template, template), ...of(this.#shares.user, owner)]
  }
}

/** The most sessions at once. Of a begin and an end at one moment, the end comes first. */
function peakOf (changes: [at: number, by: 1 | -1][]): number {
  let now = 0
  let peak = 0
  for (const [, by] of changes.toSorted(([a, one], [b, other]) => a - b || one - other)) peak = Math.max(peak, now += by)
  return peak
}

function spreadOf (values: number[]): { mean: number, p50: number, p95: number } {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => rounded(sorted[Math.ceil(share * sorted.length) - 1] ?? 0)
  return { mean: rounded(values.reduce((sum, value) => sum + value, 0) / values.length), p50: at(0.5), p95: at(0.95) }
}

function sumOf (counts: Map<string, number>): number {
  return counts.values().reduce((sum, count) => sum + count, 0)
}

function countsOf (counts: Map<string, number>): { reason: string, count: number }[] {
  return [...counts].map(([reason, count]) => ({ reason, count })).sort((a, b) => b.count - a.count || compare(a.reason, b.reason))
}

function sharesOf (shares: Map<string, Share>): Share[] {
  return [...shares.values()].map(share => ({ ...share, seconds: rounded(share.seconds) })).sort((a, b) => b.sessions - a.sessions || b.failed - a.failed || compare(a.name, b.name))
}

function compare (a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function rounded (seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}
