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

/** What the server needs to know of an extension's manifest. */
export interface Manifest {
  contentScripts: ContentScript[]
  hasWorker: boolean
  hasDevToolsPage: boolean
}

/** A page or frame that a browser shows; `from` is the address of the page that made it, where it has none of its own. */
export interface Frame { url: string, isTop: boolean, from?: string | undefined }

/**
 * Reads a manifest as Chromium does: with comments and a byte order mark. What makes no sense counts as not there: to
 * refuse it is for Chromium.
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

/** Whether one of the manifest's content scripts runs in the frame; true also when that takes too long to find out. */
export function isConcerned (manifest: Manifest, frame: Frame, budget: Budget): boolean {
  try {
    return manifest.contentScripts.some(script => runsIn(script, frame, budget))
  } catch (error) {
    if (error instanceof BudgetSpent) return true
    throw error
  }
}

/** Whether a content script may run in a frame of a page that it does not run in itself. */
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
