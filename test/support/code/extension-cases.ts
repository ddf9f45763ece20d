import { readdirSync, readFileSync } from 'node:fs'
import type { PushedFile } from '#schemas/code-update.ts'
import type { Problem } from '#schemas/problem.ts'

/** An extension's files by their paths. */
export type Folder = Map<string, Buffer>

type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
type Files = Record<string, string | { base64: string }>
export interface Sources { manifest?: Record<string, Json>, files?: Files }

/** One small extension of test/fixtures/extension-cases, and what is promised of it. */
export interface ExtensionCase extends Sources {
  name: string
  /** A sentence: what a person can rely on. */
  promises: string
  /** Files that are there first; those of the case itself replace them all. */
  before?: Sources
  /** Expressions whose values are looked at too: in the worker, in a page of the extension or in a page of the web, by its name. */
  ask?: Record<string, string>
  /** What plain Chromium shows, as far as it is sure: who sees less than this sees nothing. */
  shows: Json
  /** Part of what the session says, each in one of its problems; absent: only what Chromium says too. */
  problems?: Partial<Problem>[]
}

const FOLDER = new URL('../../fixtures/extension-cases/', import.meta.url)

/** Every case, file by file. */
export function readCases (): ExtensionCase[] {
  return readdirSync(FOLDER).sort().flatMap(name => JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as ExtensionCase[])
}

/** The pages of the web on which to see it act. */
export function sitesOf ({ shows, ask = {} }: ExtensionCase): string[] {
  const { sites = {} } = shows as { sites?: Record<string, Json> }
  return [...new Set([...Object.keys(sites), ...Object.keys(ask).filter(where => URL.canParse(where))])]
}

/** The files that the sources stand for: a manifest is completed with what each must have. */
export function toFolder ({ manifest, files = {} }: Sources): Folder {
  const folder: Folder = new Map()
  if (manifest) folder.set('manifest.json', Buffer.from(JSON.stringify({ manifest_version: 3, name: 'Case', version: '1.0', ...manifest })))
  for (const [path, content] of Object.entries(files)) {
    folder.set(path, typeof content === 'string' ? Buffer.from(content) : Buffer.from(content.base64, 'base64'))
  }
  return folder
}

/** A push of `next` over `last`: what `next` has not is deleted. */
export function toPush (next: Folder, last: Folder = new Map()): PushedFile[] {
  return [
    ...[...last.keys()].filter(path => !next.has(path)).map(filePath => ({ filePath, delete: true })),
    ...[...next].map(([filePath, content]) => ({ filePath, content: content.toString('base64'), encoding: 'base64' as const }))
  ]
}

interface Manifest { background?: { service_worker?: string }, [key: string]: any }

/** The manifest, read as generously as Chromium does; absent where even that fails. */
function parseManifest (folder: Folder): Manifest | undefined {
  const text = folder.get('manifest.json')?.toString().replace(/^\ufeff/, '').replace(/^\s*\/\/.*$|\/\*.*?\*\/|\/\/ .*$/gm, '')
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}

export function hasWorker (folder: Folder): boolean {
  return parseManifest(folder)?.background?.service_worker !== undefined
}

/** The pages of an extension: those that its manifest names, whether they are there or not, and all others. */
export function pagesOf (folder: Folder): string[] {
  const manifest = parseManifest(folder)
  const named = [manifest?.action?.default_popup, manifest?.options_page, manifest?.options_ui?.page, manifest?.side_panel?.default_path,
    manifest?.devtools_page, ...Object.values(manifest?.chrome_url_overrides ?? {})]
  const there = [...folder.keys()].filter(path => path.endsWith('.html') && !path.includes('node_modules/'))
  return [...new Set([...named, ...there].filter(page => typeof page === 'string').map(page => page.replace(/^\.?\/+/, '')))]
}

/** Whether `seen` has all that `shown` says: objects may have more, of a list each is a part of some member, all else is equal. */
export function holds (seen: unknown, shown: unknown): boolean {
  if (Array.isArray(shown)) return Array.isArray(seen) && shown.every(part => seen.some(member => isPart(part, member)))
  if (typeof shown !== 'object' || shown === null) return seen === shown
  return typeof seen === 'object' && seen !== null && Object.entries(shown).every(([key, value]) => holds((seen as Record<string, unknown>)[key], value))
}

function isPart (part: unknown, member: unknown): boolean {
  return typeof part === 'string' && typeof member === 'string' ? member.includes(part) : holds(member, part)
}
