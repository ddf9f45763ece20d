/**
 * Match patterns and globs of a manifest, as Chromium reads them (developer.chrome.com/docs/extensions/develop/concepts/match-patterns).
 * Patterns come from sessions: no regular expression is made of them, and matching costs steps of a budget.
 */

/** The number of steps that are left for all matching of one purpose. */
export interface Budget { steps: number }

/** The budget was spent before the answer was known. */
export class BudgetSpent extends Error {
  override readonly name = 'BudgetSpent'
}

/** Schemes of `<all_urls>`, and of `*`. */
const ALL_SCHEMES = ['http', 'https', 'file', 'ftp', 'ws', 'wss']
const STAR_SCHEMES = ['http', 'https']

/**
 * Tells whether the pattern matches the address. A pattern that Chromium would refuse matches nothing.
 * @throws {BudgetSpent}
 */
export function matchesPattern (pattern: string, address: URL, budget: Budget): boolean {
  spend(budget, pattern.length + 1)
  const scheme = address.protocol.slice(0, -1)
  if (pattern === '<all_urls>') return ALL_SCHEMES.includes(scheme)
  const [, wantedScheme = '', authority = '', path] = /^([a-z*]+):\/\/([^/]*)(\/.*)$/s.exec(pattern) ?? []
  if (path === undefined) return false
  if (wantedScheme === '*' ? !STAR_SCHEMES.includes(scheme) : wantedScheme !== scheme) return false
  if (scheme !== 'file' && !matchesAuthority(authority, address)) return false
  return matchesGlob(path, address.pathname + address.search, budget, '*')
}

function spend (budget: Budget, steps: number): void {
  budget.steps -= steps
  if (budget.steps < 0) throw new BudgetSpent('the match patterns take too long')
}

function matchesAuthority (authority: string, url: URL): boolean {
  const [, host = '', port = '*'] = /^(.*?)(?::(\*|\d+))?$/s.exec(authority) ?? []
  if (port !== '*' && port !== portOf(url)) return false
  if (host === '*') return true
  if (host.startsWith('*.')) return url.hostname === host.slice(2) || url.hostname.endsWith(host.slice(1))
  return url.hostname === host.toLowerCase()
}

function portOf ({ port, protocol }: URL): string {
  return port || (protocol === 'https:' ? '443' : '80')
}

/** Tells whether the glob matches all of the text: `*` stands for any characters, and unless `wildcards` leaves it out, `?` for one. @throws {BudgetSpent} */
export function matchesGlob (glob: string, text: string, budget: Budget, wildcards = '*?'): boolean {
  let at = 0
  let star = -1 // the place of the last star in the glob
  let resumeAt = 0 // the place in the text from which that star is tried next
  let position = 0
  spend(budget, glob.length)
  while (position < text.length) {
    spend(budget, 1)
    if (glob[at] === '*') {
      star = at++
      resumeAt = position
    } else if (at < glob.length && (glob[at] === text[position] || (glob[at] === '?' && wildcards.includes('?')))) {
      at++
      position++
    } else if (star !== -1) {
      at = star + 1
      position = ++resumeAt
    } else return false
  }
  while (glob[at] === '*') at++
  return at === glob.length
}
