import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { parse } from 'jsonc-parser'
import { BudgetSpent, matchesGlob, matchesPattern, type Budget } from './match-patterns.ts'

const Patterns = Type.Optional(Type.Array(Type.String({ maxLength: 2048 }), { maxItems: 1000 }))

const ContentScript = Type.Object({
  matches: Patterns,
  exclude_matches: Patterns,
  include_globs: Patterns,
  exclude_globs: Patterns,
  all_frames: Type.Optional(Type.Boolean()),
  match_about_blank: Type.Optional(Type.Boolean()),
  match_origin_as_fallback: Type.Optional(Type.Boolean())
})
type ContentScript = Static<typeof ContentScript>

/** The parts of an extension's manifest that the server uses. */
export interface Manifest {
  contentScripts: ContentScript[]
  hasWorker: boolean
  hasDevToolsPage: boolean
}

/** A page or frame in a browser. `from` is the address of the page that made it, for a frame without an address of its own. */
export interface Frame { url: string, isTop: boolean, from?: string | undefined }

/**
 * Reads a manifest as Chromium does: with comments and a byte order mark. It treats malformed parts as absent, because
 * Chromium refuses them itself.
 */
export function parseManifest (text: string): Manifest {
  const manifest = parseJson(text)
  const scripts = Array.isArray(manifest.content_scripts) ? manifest.content_scripts.slice(0, 1000) : []
  return {
    contentScripts: scripts.filter((script): script is ContentScript => Value.Check(ContentScript, script)),
    hasWorker: typeof (manifest.background as { service_worker?: unknown } | null | undefined)?.service_worker === 'string',
    hasDevToolsPage: typeof manifest.devtools_page === 'string'
  }
}

function parseJson (text: string): Record<string, unknown> {
  try {
    const value: unknown = parse(text.replace(/^\uFEFF/, ''))
    return typeof value === 'object' && value !== null ? value as Record<string, unknown> : {}
  } catch {
    return {} // nested too deeply
  }
}

/** Tells whether one of the manifest's content scripts runs in the frame; true also when the budget is spent before the answer is known. */
export function isConcerned (manifest: Manifest, frame: Frame, budget: Budget): boolean {
  try {
    return manifest.contentScripts.some(script => runsIn(script, frame, budget))
  } catch (error) {
    if (error instanceof BudgetSpent) return true
    throw error
  }
}

/** Tells whether a content script may run in a frame of a page without running in the page itself. */
export function looksIntoFrames ({ contentScripts }: Manifest): boolean {
  return contentScripts.some(script => script.all_frames)
}

function runsIn (script: ContentScript, { url, isTop, from }: Frame, budget: Budget): boolean {
  if (!isTop && !script.all_frames) return false
  const isOfOther = /^(about:(blank|srcdoc)|data:|blob:)/.test(url)
  if (isOfOther && !script.match_about_blank && !script.match_origin_as_fallback) return false
  const address = (isOfOther ? from : url)?.split('#', 1)[0] ?? ''
  budget.steps -= address.length
  const parsed = URL.parse(address)
  if (!parsed) return false
  const { matches = [], exclude_matches: excluded = [], include_globs: globs, exclude_globs: excludedGlobs = [] } = script
  return matches.some(pattern => matchesPattern(pattern, parsed, budget)) &&
    !excluded.some(pattern => matchesPattern(pattern, parsed, budget)) &&
    (globs === undefined || globs.some(glob => matchesGlob(glob, address, budget))) &&
    !excludedGlobs.some(glob => matchesGlob(glob, address, budget))
}
